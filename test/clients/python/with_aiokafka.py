"""with_aiokafka.py ADDRESS: aiokafka, by the contract of test/clients/check.py."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contract import Deadline, serve

address = sys.argv[1]
consumers = {}
loop = asyncio.new_event_loop()


async def produce(topic, codec, idempotent, events):
    producer = AIOKafkaProducer(bootstrap_servers=address, compression_type=None if codec == "none" else codec,
                                enable_idempotence=idempotent, acks="all", max_request_size=50_000_000, linger_ms=20)
    await producer.start()
    try:
        sent = [await producer.send(topic, partition=0, timestamp_ms=at, key=key, value=value, headers=headers)
                for at, key, value, headers in events]
        return [one.offset for one in await asyncio.wait_for(asyncio.gather(*sent), 60)]
    finally:
        await producer.stop()


async def consumer_of(fetch, isolation):
    if (fetch, isolation) not in consumers:
        limits = {} if fetch is None else {"max_partition_fetch_bytes": fetch, "fetch_max_bytes": fetch}
        consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=None, enable_auto_commit=False, isolation_level=f"read_{isolation}",
                                    **limits)
        await consumer.start()
        consumers[fetch, isolation] = consumer
    return consumers[fetch, isolation]


async def read(topic, start, when, most, fetch, isolation):
    consumer, part, deadline, events = await consumer_of(fetch, isolation), TopicPartition(topic, 0), Deadline(), []
    if part not in consumer.assignment():
        consumer.assign([part])
    if start is None:
        found = (await consumer.offsets_for_times({part: when}))[part]
        start = None if found is None else found.offset
    end = (await consumer.end_offsets([part]))[part]
    if start is not None:
        consumer.seek(part, start)
        while len(events) != most and await consumer.position(part) < end:
            deadline.check(f"position {await consumer.position(part)}, end {end}")
            got = await consumer.getmany(timeout_ms=500, max_records=None if most is None else most - len(events))
            for r in got.get(part, []):
                events.append((r.offset, r.timestamp, r.key, r.value, r.headers))
    return events, None if start is None else await consumer.position(part), end, start


async def close():
    for consumer in consumers.values():
        await consumer.stop()


serve(lambda *a: loop.run_until_complete(produce(*a)), lambda *a: loop.run_until_complete(read(*a)))
loop.run_until_complete(close())
