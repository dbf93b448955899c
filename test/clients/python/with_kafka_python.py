"""with_kafka_python.py ADDRESS: kafka-python, by the contract of test/clients/check.py."""

import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from contract import Deadline, serve

address = sys.argv[1]
consumers = {}


def produce(topic, codec, idempotent, events):
    producer = KafkaProducer(bootstrap_servers=address, compression_type=None if codec == "none" else codec,
                             enable_idempotence=idempotent, acks="all", max_request_size=50_000_000, linger_ms=20)
    sent = [producer.send(topic, partition=0, timestamp_ms=at, key=key, value=value, headers=headers)
            for at, key, value, headers in events]
    offsets = [one.get(60).offset for one in sent]
    producer.close()
    return offsets


def consumer_of(fetch, isolation):
    if (fetch, isolation) not in consumers:
        limits = {} if fetch is None else {"max_partition_fetch_bytes": fetch, "fetch_max_bytes": fetch}
        consumers[fetch, isolation] = KafkaConsumer(bootstrap_servers=address, group_id=None, enable_auto_commit=False,
                                                    isolation_level=f"read_{isolation}", **limits)
    return consumers[fetch, isolation]


def read(topic, start, when, most, fetch, isolation):
    consumer, part, deadline, events = consumer_of(fetch, isolation), TopicPartition(topic, 0), Deadline(), []
    if part not in consumer.assignment():
        consumer.assign([part])
    if start is None:
        found = consumer.offsets_for_times({part: when})[part]
        start = None if found is None else found.offset
    end = consumer.end_offsets([part])[part]
    if start is not None:
        consumer.seek(part, start)
        while len(events) != most and consumer.position(part) < end:
            deadline.check(f"position {consumer.position(part)}, end {end}")
            for r in consumer.poll(500, max_records=500 if most is None else most - len(events)).get(part, []):
                events.append((r.offset, r.timestamp, r.key, r.value, r.headers))
    return events, None if start is None else consumer.position(part), end, start


serve(produce, read)
