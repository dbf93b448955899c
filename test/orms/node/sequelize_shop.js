// eventlog by Sequelize; the steps are those of ../check.py. Needs PG* variables.
const { DataTypes, Sequelize, QueryTypes } = require('sequelize')

const statements = []
const sequelize = new Sequelize(process.env.PGDATABASE, process.env.PGUSER, '', {
  dialect: 'postgres',
  host: process.env.PGHOST,
  port: process.env.PGPORT,
  pool: { max: 1 },
  define: { timestamps: false, freezeTableName: true },
  logging: (statement) => statements.push(statement.replace(/^Executing \(.*?\): /, ''))
})

const row = { id: { type: DataTypes.STRING(40), primaryKey: true }, amount: DataTypes.INTEGER }
const PlacedOrder = sequelize.define('placed_order', row)
const BilledOrder = sequelize.define('billed_order', row)

// An event: no column alone is a key, and the server gives what is left out. sync() is not to look after it.
const Order = sequelize.define('orders', {
  partition: DataTypes.INTEGER,
  event_offset: DataTypes.BIGINT,
  event_time: DataTypes.DATE,
  key: DataTypes.TEXT,
  value: DataTypes.JSON,
  headers: DataTypes.JSONB
}, { schema: 'events' })
Order.removeAttribute('id')
const sync = Order.sync
Order.sync = async () => {}

// without RETURNING the event is appended at commit, and nobody waits
const create = (key, amount, transaction) =>
  Order.create({ key, value: { amount } }, { fields: ['key', 'value'], returning: false, transaction })

const produce = (key, amount, transaction) =>
  sequelize.query("SELECT eventlog.produce('events.orders', :key, :value)",
    { replacements: { key, value: JSON.stringify({ amount }) }, transaction })

async function diff () {
  try {
    await sequelize.sync({ alter: true })
  } finally {
    // it sets again what is so already
    const again = /^(SELECT|CREATE TABLE IF NOT EXISTS "\w+_order" |ALTER TABLE "\w+_order" ALTER COLUMN )/
    for (const statement of statements) if (!again.test(statement)) console.log(statement)
  }
}

const steps = {
  insert: () => create('single', 1),
  bulk: () => Order.bulkCreate([...Array(50).keys()].map((n) => ({ key: `bulk-${n + 1}`, value: { amount: n + 1 } })),
    { fields: ['key', 'value'] }),

  async rollback () {
    const transaction = await sequelize.transaction()
    await create('undone', 1, transaction)
    await PlacedOrder.create({ id: 'undone', amount: 1 }, { transaction })
    await produce('undone', 2, transaction)
    await transaction.rollback()
  },

  together: () => sequelize.transaction(async (transaction) => {
    await PlacedOrder.create({ id: 'together', amount: 7 }, { transaction })
    await create('together', 7, transaction)
  }),

  produce: () => sequelize.transaction(async (transaction) => {
    await PlacedOrder.create({ id: 'produced', amount: 8 }, { transaction })
    await produce('produced', 8, transaction)
  }),

  async consume () {
    for (const end of ['rollback', 'commit']) {
      const transaction = await sequelize.transaction()
      const events = await sequelize.query("SELECT * FROM eventlog.consume('billing', 'events.orders')",
        { type: QueryTypes.SELECT, transaction })
      for (const { key, value } of events) await BilledOrder.create({ id: key, amount: value.amount }, { transaction })
      await sequelize.query("SELECT eventlog.commit('billing')", { transaction })
      await transaction[end]()
    }
  },

  async columns () {
    const columns = await sequelize.getQueryInterface().describeTable({ tableName: 'orders', schema: 'events' })
    console.log(JSON.stringify(Object.keys(columns)))
  },

  diff,

  exposed () {
    Order.sync = sync
    return diff()
  }
}

steps[process.argv[2]]().then(() => sequelize.close())
