// eventlog by node-postgres: everything a client does, with the values node-postgres sends by itself (untyped
// text; objects as JSON; a Buffer as bytes, whose parameter has to say ::bytea). Needs PG* variables.
const assert = require('node:assert/strict')
const crypto = require('node:crypto')
const { Client } = require('pg')

const prefix = 'driver_node_' + crypto.randomBytes(4).toString('hex')
const [TEXT, JSONS, BYTES, UUID, BIG] = ['text', 'json', 'bytes', 'uuid', 'big'].map((kind) => `${prefix}_${kind}`)
const GROUP = prefix + '_group'
const DOCUMENT = { id: 1, name: 'Zoë €', nested: { list: [1, null, 'x'] } }
const SOME_UUID = '00000000-0000-0000-0000-000000000007'

const client = new Client()
const ok = (what) => console.log('ok - node-postgres:', what)
const rows = async (query, ...parameters) => (await client.query(query, parameters)).rows
const one = async (query, ...parameters) => Object.values((await rows(query, ...parameters))[0])[0]
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const places = (events) => events.map((event) => `${event.partition}/${event.event_offset}`).sort()

// runs a statement in another connection after a moment
async function later (query, ...parameters) {
  await sleep(300)
  const other = new Client()
  await other.connect()
  await other.query(query, parameters)
  await other.end()
}

async function rolledBack (work) {
  await client.query('BEGIN')
  const result = await work()
  await client.query('ROLLBACK')
  return result
}

async function produce () {
  const first = await one('SELECT produce($1, $2, $3)', TEXT, 'key', 'value Zoë €')
  assert([0, 1, 2].includes(first))
  assert.equal(await one('SELECT produce($1, $2, $3)', TEXT, 'key', 'second'), first)
  assert.equal(await one('SELECT produce($1, $2, $3, headers => $4, partition => $5, event_time => $6)',
    TEXT, 'key', 'third', { trace: 'abc' }, 1, new Date('2024-05-06T07:08:09Z')), 1)
  ok('produce text, headers, partition, time')

  await one('SELECT produce($1, $2, $3)', JSONS, 'order-1', DOCUMENT)
  await one('SELECT produce($1, $2, $3::jsonb)', JSONS, 'order-2', DOCUMENT)
  ok('produce JSON')

  await one('SELECT produce($1, $2, $3::bytea)', BYTES, 'b', Buffer.from([0, 1, 255, 97, 98, 99]))
  ok('produce bytes')

  await one('SELECT produce($1, $2, $3)', UUID, SOME_UUID, JSON.stringify([1, 2]))
  ok('produce with a uuid key')

  await one('SELECT produce($1, $2, $3)', BIG, 42, 9007199254740993n)
  ok('produce bigint')

  await one('SELECT produce($1, $2, $3)', TEXT, 'gone', null)
  await one('SELECT produce($1, $2, $3)', TEXT, null, 'no key')
  ok('produce NULL')

  await client.query(`INSERT INTO ${JSONS} (key, value) VALUES ($1, $2)`, ['order-3', DOCUMENT])
  await client.query(`INSERT INTO ${BIG} (key, value) VALUES ($1, $2)`, [43, 1])
  ok('INSERT')

  const events = [0, 1, 2].map((n) => ({ key: `batch-${n}`, value: { n } }))
  assert.equal(await one('SELECT produce_batch($1, $2)', JSONS, JSON.stringify(events)), '3')
  assert.equal(await one('SELECT produce_batch($1, $2, $3)', TEXT, ['a', 'b', null], ['1', null, '3']), '3')
  ok('produce_batch')
}

async function consume () {
  let query = 'SELECT partition, event_offset, key, value FROM consume($1, $2, max_events => $3)'
  const delivered = await rolledBack(() => rows(query, GROUP, JSONS, 100))
  assert.equal(delivered.length, 6)
  await client.query('BEGIN')
  assert.deepEqual(places(await rows(query, GROUP, JSONS, 100)), places(delivered))
  assert(await one('SELECT commit($1)', GROUP) >= 1)
  await client.query('COMMIT')
  assert.deepEqual(await rows(query, GROUP, JSONS, 100), [])
  const values = Object.fromEntries(delivered.map((event) => [event.key, event.value]))
  for (const n of [1, 2, 3]) assert.deepEqual(values[`order-${n}`], DOCUMENT)
  for (const n of [0, 1, 2]) assert.deepEqual(values[`batch-${n}`], { n })
  ok('consume and commit in a transaction')

  query = 'SELECT partition, event_time, key, value, headers FROM consume($1, $2, commit => true)'
  const events = await rows(query, GROUP, TEXT)
  assert.equal(events.length, 8)
  const valuesOf = (key) => events.filter((event) => event.key === key).map((event) => event.value).sort()
  assert.deepEqual(valuesOf('key'), ['second', 'third', 'value Zoë €'])
  assert.deepEqual([valuesOf('gone'), valuesOf('a'), valuesOf('b'), valuesOf(null)], [[null], ['1'], [null], ['3', 'no key']])
  assert.deepEqual(events.find((event) => event.value === 'third'),
    { partition: 1, event_time: new Date('2024-05-06T07:08:09Z'), key: 'key', value: 'third', headers: { trace: 'abc' } })
  assert.deepEqual(await rows(query, GROUP, TEXT), [])
  ok('consume with commit => true')

  const [bytes] = await rows('SELECT key, value FROM consume_bytes($1, $2, commit => true)', GROUP, BYTES)
  assert.deepEqual([bytes.key, bytes.value], [Buffer.from('b'), Buffer.from([0, 1, 255, 97, 98, 99])])
  ok('consume_bytes')

  query = 'SELECT key, value FROM consume($1, $2, commit => true)'
  assert.deepEqual(await rows(query, GROUP, UUID), [{ key: SOME_UUID, value: [1, 2] }])
  // as text: a JavaScript number does not hold this integer
  assert.deepEqual(await rows('SELECT key, value::text FROM consume($1, $2, commit => true)', GROUP, BIG),
    [{ key: '42', value: '9007199254740993' }, { key: '43', value: '1' }])
  assert.deepEqual(await rows(`SELECT key, value FROM ${BIG} ORDER BY event_offset`),
    [{ key: '42', value: '9007199254740993' }, { key: '43', value: '1' }])
  assert.deepEqual(await rows('SELECT key, value FROM read_topic($1, $2, from_offset => $3)', BIG, 0, 1),
    [{ key: '43', value: 1 }])
  ok('typed keys and values, read_topic')
}

async function claim () {
  const query = 'SELECT partition, event_offset FROM claim($1, $2, max_events => $3)'
  const claimed = await rolledBack(() => rows(query, prefix + '_claims', JSONS, 100))
  assert.equal(claimed.length, 6)
  assert.deepEqual(places(await rows(query, prefix + '_claims', JSONS, 100)), places(claimed))
  assert.deepEqual(await rows(query, prefix + '_claims', JSONS, 100), [])
  ok('claim')
}

async function wait () {
  let begin = Date.now()
  let producer = later('SELECT produce($1, $2, $3)', JSONS, 'woken', 1)
  assert.deepEqual(await rows("SELECT key, value FROM consume($1, $2, wait => '10 s', commit => true)", GROUP, JSONS),
    [{ key: 'woken', value: 1 }])
  await producer
  assert(Date.now() - begin < 5000)
  ok('consume waits for another connection')

  begin = Date.now()
  producer = later('SELECT produce($1, $2, $3)', JSONS, 'woken', 2)
  assert.equal(await one('CALL wait_for_events($1, $2)', GROUP, '10 s'), true)
  await producer
  assert(Date.now() - begin < 5000)
  assert.deepEqual(await rows('SELECT key, value FROM consume($1, $2, commit => true)', GROUP, JSONS),
    [{ key: 'woken', value: 2 }])
  ok('CALL wait_for_events')
}

async function errors () {
  await assert.rejects(client.query('SELECT produce($1, $2, $3)', [prefix + '_none', 'k', 'v']), { code: '42P01' })
  await assert.rejects(client.query('SELECT produce($1, $2, $3)', [JSONS, 'k', '{not json']), { code: '22P02' })
  await assert.rejects(client.query('SELECT commit($1)', [prefix + '_nobody']), { code: 'EL001' })
  ok('error codes')
}

async function main () {
  await client.connect()
  await one("SELECT create_topic($1, $2, value_type => 'text')", TEXT, 3)
  await one('SELECT create_topic($1, $2)', JSONS, 2)
  await one("SELECT create_topic($1, value_type => 'bytea')", BYTES)
  await one("SELECT create_topic($1, $2, 'uuid', 'jsonb', $3)", UUID, 2, { compression: 'none' })
  await one("SELECT create_topic($1, key_type => 'bigint', value_type => 'bigint')", BIG)
  ok('create_topic')
  for (const part of [produce, consume, claim, wait, errors]) await part()
  for (const topic of [TEXT, JSONS, BYTES, UUID, BIG]) await one('SELECT drop_topic($1)', topic)
  ok('drop_topic')
  await client.end()
}

main().catch((error) => { console.error(error); process.exit(1) })
