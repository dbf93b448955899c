// kafkajs.js ADDRESS: kafkajs, by the contract of test/clients/check.py. It reads in groups only, so it does not read here.

'use strict';

const fs = require('fs');
const readline = require('readline');
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs');

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');

const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.NOTHING, clientId: 'kafkajs' });
const decode = (word) => (word === '-' ? null : Buffer.from(word, 'base64'));

function eventsOf(file) {
  return fs.readFileSync(file, 'ascii').split('\n').filter((line) => line !== '').map((line) => {
    const [time, key, value, pairs] = line.split('\t');
    const headers = {};
    for (const pair of pairs.split(',').filter((p) => p !== '')) {
      const [name, what] = pair.split(':').map(decode);
      headers[name] = headers[name] === undefined ? what : [].concat(headers[name], what);
    }
    return { timestamp: time, key: decode(key), value: decode(value), headers, partition: 0 };
  });
}

async function produce(topic, codec, idempotent, messages) {
  const producer = kafka.producer({ idempotent, maxInFlightRequests: 1, retry: { retries: 5 } });
  const compression = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }[codec];
  await producer.connect();
  try {
    const [answer] = await producer.send({ topic, acks: -1, compression, messages });
    return messages.map((_, i) => Number(answer.baseOffset) + i);
  } finally {
    await producer.disconnect();
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [what, topic, codec, idempotent, file] = line.split(' ');
    let answer;
    try {
      if (what !== 'produce') throw new Error('not here');
      answer = { offsets: await produce(topic, codec, idempotent === 'idempotent', eventsOf(file)) };
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` };
    }
    console.log(JSON.stringify(answer));
  }
}

main();
