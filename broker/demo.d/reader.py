"""The client that follows orders in broker/demo: librdkafka's consumer, PORT PARTITIONS. Events are lines on stdout."""
import sys

from confluent_kafka import Consumer, TopicPartition

port, partitions = map(int, sys.argv[1:])


def log(error):
    print(error, file=sys.stderr, flush=True)


# there is no group: it wants a name all the same
consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "none", "enable.auto.commit": False,
                     "reconnect.backoff.max.ms": 1000, "error_cb": log})
consumer.assign([TopicPartition("orders", partition, 0) for partition in range(partitions)])
while True:
    for event in consumer.consume(1000, timeout=0.2):
        if event.error():
            log(event.error())
        else:
            print(event.partition(), event.offset(), event.key().decode(), event.value().decode(), sep="\t")
    sys.stdout.flush()
