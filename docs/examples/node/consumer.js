// A consumer of the topic "orders" in the group "billing", by node-postgres (pg).
//
// Usage: node consumer.js at-most-once | at-least-once | exactly-once | claim | retry | retry-later
//        node consumer.js pool MEMBER
//
// Connects by the PG* environment variables (PGHOST=a,b: to whichever of them is the primary) and goes on until SIGTERM. The work is
// a row in the table "worked".
const { Client, Pool } = require('pg')

// [again]
// Do it again? Fenced, serialization, deadlock, not a member any more, in use; a standby, the connection, the server, its resources.
const again = ({ code, message }) => code === undefined
  ? /connect|queryable/i.test(message)
  : /^(40L01|40001|40P01|EL001|55006|25006|57P..|08...|53...|E[A-Z]+)$/.test(code)
// Is it the event that is wrong (bad data, a constraint, RAISE), so that others may go on without it?
const itsOwnFault = ({ code }) => /^(22|23|P0)...$/.test(code)
// [/again]

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
let stopping = false

async function work (client, { partition, event_offset: offset, key, value }) {
  await client.query('INSERT INTO worked (partition, event_offset, key, value) VALUES ($1, $2, $3, $4)',
    [partition, offset, key, JSON.stringify(value)])
}

// [at-most-once]
async function atMostOnce (client) {
  const { rows } = await client.query(
    "SELECT * FROM consume('billing', 'orders', max_events => 10, commit => true)")
  for (const event of rows) await work(client, event) // who dies here loses the rest of the ten
  return rows.length
}
// [/at-most-once]

// [at-least-once]
async function atLeastOnce (client) {
  const { rows } = await client.query("SELECT * FROM consume('billing', 'orders', max_events => 10)")
  for (const event of rows) await work(client, event) // who dies here does these again
  if (rows.length > 0) await client.query("SELECT commit('billing')")
  return rows.length
}
// [/at-least-once]

// [exactly-once]
async function exactlyOnce (client) {
  await client.query('BEGIN')
  const { rows } = await client.query("SELECT * FROM consume('billing', 'orders', max_events => 10)")
  for (const event of rows) await work(client, event)
  if (rows.length > 0) await client.query("SELECT commit('billing')")
  await client.query('COMMIT')
  return rows.length
}
// [/exactly-once]

// [pool]
function openPool () {
  const pool = new Pool({ ...nextServer(), max: 4 })
  pool.on('error', () => {}) // a lost connection that is idle; one in use is met by the next query:
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

async function pooled (pool, member) {
  const client = await pool.connect() // any of them: the member has a name
  try {
    await client.query('BEGIN')
    const { rows } = await client.query(
      "SELECT * FROM consume('billing', 'orders', max_events => 10, member => $1)", [member])
    for (const event of rows) await work(client, event)
    if (rows.length > 0) await client.query("SELECT commit('billing', $1)", [member])
    await client.query('COMMIT')
    client.release()
    return rows.length
  } catch (error) {
    client.release(error) // closes it, and with it the transaction
    throw error
  }
}
// [/pool]

// [claim]
async function claim (client) {
  await client.query('BEGIN')
  const { rows } = await client.query("SELECT * FROM claim('billing', 'orders', max_events => 10)")
  for (const event of rows) await work(client, event)
  await client.query('COMMIT')
  return rows.length
}
// [/claim]

// [retry]
// What fails is tried again later, and set aside after three attempts; the others go on meanwhile.
async function withRetries (client, group, topic, minAge) {
  await client.query('BEGIN')
  const { rows } = await client.query('SELECT * FROM consume($1, $2, max_events => 10, min_age => $3)', [group, topic, minAge])
  for (const event of rows) {
    await client.query('SAVEPOINT attempt')
    try {
      await work(client, event)
    } catch (error) {
      if (!itsOwnFault(error)) throw error
      await client.query('ROLLBACK TO attempt')
      const attempt = Number(event.headers.attempt ?? 1)
      if (attempt < 3) { // a copy, as it is on the log
        await client.query(
          "SELECT produce('orders_retry', key, value, headers || jsonb_build_object('attempt', $1::text)) FROM read_topic($2, $3, $4, 1)",
          [attempt + 1, topic, event.partition, event.event_offset])
      } else {
        await client.query('SELECT dead_letter($1, $2, $3, $4, $5)',
          [group, topic, event.partition, event.event_offset, error.message])
      }
    }
    await client.query('RELEASE attempt')
  }
  if (rows.length > 0) await client.query('SELECT commit($1)', [group])
  await client.query('COMMIT')
  return rows.length
}

const retry = (client) => withRetries(client, 'billing', 'orders', null)

// another process, which waits until the first is old enough:
const retryLater = (client) => withRetries(client, 'billing_retry', 'orders_retry', '2 seconds')
const WAIT_LATER = "CALL wait_for_events('billing_retry', '1 s', min_age => '2 seconds')"
// [/retry]

// [loop]
// node-postgres takes one host: each try goes to the next of the list. One that is a standby answers with 25006.
const hosts = (process.env.PGHOST ?? 'localhost').split(',')
const ports = (process.env.PGPORT ?? '5432').split(',')
let tries = 0

function nextServer () {
  const i = tries++ % hosts.length
  return { host: hosts[i], port: Number(ports[i] ?? ports[0]), connectionTimeoutMillis: 2000, keepAlive: true }
}

async function waitFor (client, wait, parameters) {
  try {
    await client.query(wait, parameters)
  } catch (error) {
    if (error.code !== '57014') throw error // the role's statement_timeout is shorter: the next step finds what came meanwhile
  }
}

async function loop (step, wait = "CALL wait_for_events('billing', '1 s')") {
  let pause = 100
  while (!stopping) {
    const client = new Client(nextServer())
    client.on('error', () => {}) // a lost connection is met by the next query
    let failed = false
    try {
      await client.connect()
      while (!stopping) {
        if (await step(client) === 0) await waitFor(client, wait)
        pause = 100
      }
    } catch (error) {
      if (!again(error)) throw error
      console.error(error.message)
      failed = true
    } finally {
      await client.end().catch(() => {}) // begin again: nothing is left of what was not committed
    }
    if (failed) { // others have its partitions meanwhile
      await sleep(pause * (0.5 + Math.random() / 2))
      pause = Math.min(2 * pause, 1000)
    }
  }
}
// [/loop]

async function poolLoop (member) {
  let pause = 100
  while (!stopping) {
    const pool = openPool()
    let failed = false
    try {
      while (!stopping) {
        if (await pooled(pool, member) === 0) await waitFor(pool, "CALL wait_for_events('billing', '1 s', $1)", [member])
        pause = 100
      }
      await pool.query("SELECT leave_group('billing', $1)", [member]) // its partitions go to the others at once
    } catch (error) {
      if (!again(error)) throw error
      console.error(error.message)
      failed = true
    } finally {
      await pool.end() // begin again with the next server
    }
    if (failed) {
      await sleep(pause * (0.5 + Math.random() / 2))
      pause = Math.min(2 * pause, 1000)
    }
  }
}

process.on('SIGTERM', () => { stopping = true })
const steps = { 'at-most-once': atMostOnce, 'at-least-once': atLeastOnce, 'exactly-once': exactlyOnce, claim, retry }
const [guarantee, member] = process.argv.slice(2)
const end = guarantee === 'pool' ? poolLoop(member) : guarantee === 'retry-later' ? loop(retryLater, WAIT_LATER) : loop(steps[guarantee])
end.catch((error) => { console.error(error); process.exit(1) })
