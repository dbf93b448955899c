"""with_confluent_kafka.py ADDRESS: confluent-kafka (librdkafka), by the contract of test/clients/check.py."""

import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from contract import Deadline, serve

address = sys.argv[1]
consumers = {}


def produce(topic, codec, idempotent, events):
    producer = Producer({"bootstrap.servers": address, "compression.type": codec, "enable.idempotence": idempotent, "acks": "all",
                         "message.max.bytes": 50_000_000, "linger.ms": 20})
    offsets, errors = [], []

    def delivered(error, message):
        (errors if error else offsets).append(error or message.offset())

    for at, key, value, headers in events:
        producer.produce(topic, partition=0, timestamp=at, key=key, value=value, headers=headers, on_delivery=delivered)
        producer.poll(0)
    left = producer.flush(60)
    if errors or left:
        raise RuntimeError(f"{left} not sent, {errors[:1]}")
    return offsets


def consumer_of(fetch, isolation):
    if (fetch, isolation) not in consumers:
        limits = {} if fetch is None else {"fetch.message.max.bytes": fetch, "fetch.max.bytes": max(fetch, 1000), "message.max.bytes": 1000}
        # a group must have a name, though none is used
        consumers[fetch, isolation] = Consumer({"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False,
                                                "fetch.wait.max.ms": 100,
                                                "enable.partition.eof": True,
                                                "isolation.level": f"read_{isolation}", **limits})
    return consumers[fetch, isolation]


def read(topic, start, when, most, fetch, isolation):
    consumer, deadline, events = consumer_of(fetch, isolation), Deadline(), []
    position = None
    if start is None:
        start = consumer.offsets_for_times([TopicPartition(topic, 0, when)], 30)[0].offset
        start = None if start < 0 else start
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), 30)[1]
    if start is not None:
        if [part.topic for part in consumer.assignment()] == [topic]:
            consumer.seek(TopicPartition(topic, 0, start))
        else:
            consumer.assign([TopicPartition(topic, 0, start)])
        while len(events) != most and (position is None or position < end):
            deadline.check(f"position {position}, end {end}")
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:  # pylint: disable=protected-access
                    position = message.offset()
                elif "no consumer groups" not in message.error().str():    # it asks, and is told so, though it needs none
                    raise KafkaException(message.error())
                continue
            events.append((message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers() or []))
            position = message.offset() + 1
    return events, position, end, start


serve(produce, read)
for one in consumers.values():
    one.close()
