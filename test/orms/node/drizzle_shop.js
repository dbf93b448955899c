// eventlog by drizzle; the steps are those of ../check.py. Needs PG* variables.
const { execFileSync } = require('node:child_process')
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { pushSchema } = require('drizzle-kit/api')
const { sql } = require('drizzle-orm')
const { drizzle } = require('drizzle-orm/node-postgres')
const { bigint, integer, json, jsonb, pgSchema, pgTable, text, timestamp, varchar } = require('drizzle-orm/pg-core')
const { Pool } = require('pg')

const pool = new Pool({ max: 1 })
const db = drizzle(pool)
const undone = new Error('undone on purpose')

// what drizzle-kit looks after ...
const placedOrder = pgTable('placed_order', { id: varchar({ length: 40 }).primaryKey(), amount: integer() })
const billedOrder = pgTable('billed_order', { id: varchar({ length: 40 }).primaryKey(), amount: integer() })
const tables = { placedOrder, billedOrder }

// ... and what is in another file than those: events. The server gives what is left out.
const events = pgSchema('events')
const orders = events.table('orders', {
  partition: integer(),
  event_offset: bigint({ mode: 'bigint' }),
  event_time: timestamp({ withTimezone: true }),
  key: text(),
  value: json(),
  headers: jsonb()
})

const insert = (transaction, key, amount) => transaction.insert(orders).values({ key, value: { amount } })

const produce = (transaction, key, amount) =>
  transaction.execute(sql`SELECT eventlog.produce('events.orders', ${key}, ${JSON.stringify({ amount })})`)

// in a transaction that is rolled back
const undo = (work) => db.transaction(async (transaction) => {
  await work(transaction)
  throw undone
}).catch((error) => { if (error !== undone) throw error })

// what "drizzle-kit push" would do; it says meanwhile on the standard output what it is about
async function push (schema, schemas) {
  const write = process.stdout.write
  process.stdout.write = () => true
  const { statementsToExecute } = await pushSchema(schema, db, schemas).finally(() => { process.stdout.write = write })
  for (const statement of statementsToExecute) console.log(statement)
}

async function bill (transaction) {
  const { rows } = await transaction.execute(sql`SELECT * FROM eventlog.consume('billing', 'events.orders')`)
  await transaction.insert(billedOrder).values(rows.map(({ key, value }) => ({ id: key, amount: value.amount })))
  await transaction.execute(sql`SELECT eventlog.commit('billing')`)
}

const steps = {
  insert: () => insert(db, 'single', 1),
  bulk: () => db.insert(orders).values([...Array(50).keys()].map((n) => ({ key: `bulk-${n + 1}`, value: { amount: n + 1 } }))),

  rollback: () => undo(async (transaction) => {
    await insert(transaction, 'undone', 1)
    await transaction.insert(placedOrder).values({ id: 'undone', amount: 1 })
    await produce(transaction, 'undone', 2)
  }),

  together: () => db.transaction(async (transaction) => {
    await transaction.insert(placedOrder).values({ id: 'together', amount: 7 })
    await insert(transaction, 'together', 7)
  }),

  produce: () => db.transaction(async (transaction) => {
    await transaction.insert(placedOrder).values({ id: 'produced', amount: 8 })
    await produce(transaction, 'produced', 8)
  }),

  async consume () {
    await undo(bill)
    await db.transaction(bill)
  },

  // "drizzle-kit pull" lists no partitioned tables, but their partitions
  async columns () {
    const folder = mkdtempSync(join(tmpdir(), 'eventlog.'))
    const { PGHOST, PGPORT, PGUSER, PGDATABASE } = process.env
    const url = `postgresql://${PGUSER}@localhost:${PGPORT}/${PGDATABASE}?host=${encodeURIComponent(PGHOST)}`
    try {
      writeFileSync(join(folder, 'config.json'), JSON.stringify({
        dialect: 'postgresql', dbCredentials: { url }, schemaFilter: ['events'], introspect: { casing: 'preserve' }, out: folder
      }))
      execFileSync(process.execPath, [join(process.env.NODE_PATH, 'drizzle-kit', 'bin.cjs'), 'pull',
        `--config=${join(folder, 'config.json')}`], { stdio: ['ignore', 'ignore', 'inherit'] })
      const table = /"orders_p0", \{(.*?)\n\}/s.exec(readFileSync(join(folder, 'schema.ts'), 'utf8'))[1]
      console.log(JSON.stringify([...table.matchAll(/^\s+(\w+):/gm)].map((column) => column[1])))
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  diff: () => push(tables, ['public']),
  exposed: () => push(tables, ['public', 'events'])
}

steps[process.argv[2]]().then(() => pool.end())
