// eventlog by TypeORM; the steps are those of ../check.py. Needs PG* variables.
const { DataSource, EntitySchema } = require('typeorm')

const row = { id: { type: 'varchar', length: 40, primary: true }, amount: { type: 'int', nullable: true } }
const PlacedOrder = new EntitySchema({ name: 'PlacedOrder', tableName: 'placed_order', columns: row })
const BilledOrder = new EntitySchema({ name: 'BilledOrder', tableName: 'billed_order', columns: row })

// An event. The server gives its key, and no migration is to look after it.
const Order = new EntitySchema({
  name: 'Order',
  schema: 'events',
  tableName: 'orders',
  synchronize: process.argv[2] === 'exposed',
  columns: {
    partition: { type: 'int', primary: true, insert: false },
    event_offset: { type: 'bigint', primary: true, insert: false },
    event_time: { type: 'timestamptz', insert: false },
    key: { type: 'text', nullable: true },
    value: { type: 'json', nullable: true },
    headers: { type: 'jsonb', nullable: true }
  }
})

const source = new DataSource({
  type: 'postgres',
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  username: process.env.PGUSER,
  database: process.env.PGDATABASE,
  entities: [PlacedOrder, BilledOrder, Order],
  poolSize: 1
})

const insert = (manager, key, amount) => manager.insert(Order, { key, value: { amount } })

const produce = (manager, key, amount) =>
  manager.query("SELECT eventlog.produce('events.orders', $1, $2)", [key, JSON.stringify({ amount })])

async function diff () {
  for (const { query } of (await source.driver.createSchemaBuilder().log()).upQueries) console.log(query)
}

const steps = {
  insert: () => insert(source.manager, 'single', 1),
  bulk: () => source.manager.insert(Order,
    [...Array(50).keys()].map((n) => ({ key: `bulk-${n + 1}`, value: { amount: n + 1 } }))),

  async rollback () {
    const runner = source.createQueryRunner()
    await runner.startTransaction()
    await insert(runner.manager, 'undone', 1)
    await runner.manager.save(PlacedOrder, { id: 'undone', amount: 1 })
    await produce(runner.manager, 'undone', 2)
    await runner.rollbackTransaction()
    await runner.release()
  },

  together: () => source.transaction(async (manager) => {
    await manager.save(PlacedOrder, { id: 'together', amount: 7 })
    await insert(manager, 'together', 7)
  }),

  produce: () => source.transaction(async (manager) => {
    await manager.save(PlacedOrder, { id: 'produced', amount: 8 })
    await produce(manager, 'produced', 8)
  }),

  async consume () {
    for (const end of ['rollbackTransaction', 'commitTransaction']) {
      const runner = source.createQueryRunner()
      await runner.startTransaction()
      const events = await runner.query("SELECT * FROM eventlog.consume('billing', 'events.orders')")
      await runner.manager.save(BilledOrder, events.map(({ key, value }) => ({ id: key, amount: value.amount })))
      await runner.query("SELECT eventlog.commit('billing')")
      await runner[end]()
      await runner.release()
    }
  },

  async columns () {
    const runner = source.createQueryRunner()
    const table = await runner.getTable('events.orders')
    console.log(JSON.stringify(table.columns.map((column) => column.name)))
    await runner.release()
  },

  diff,
  exposed: diff
}

source.initialize().then(steps[process.argv[2]]).then(() => source.destroy())
