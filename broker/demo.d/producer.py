"""The client that sends payments in broker/demo: librdkafka's idempotent producer, PORT FIRST LAST RATE.

What it sends is appended to the file "sent", how many were acknowledged is printed every now and then. The client does
the rest: it connects again, and sends again what it has no answer for, with the numbers that it had the first time.
"""
import sys
import time

from confluent_kafka import Producer

port, first, last, rate = map(int, sys.argv[1:])
acknowledged = 0


def on_delivery(error, _):
    global acknowledged
    if error:
        sys.exit(f"not delivered: {error}")
    acknowledged += 1


def log(error):
    print(error, file=sys.stderr, flush=True)


producer = Producer({"bootstrap.servers": f"127.0.0.1:{port}", "enable.idempotence": True, "linger.ms": 5,
                     "reconnect.backoff.max.ms": 1000, "error_cb": log})
begin = time.monotonic()
with open("sent", "a", encoding="utf-8") as sent:
    for number in range(first, last + 1):
        key, value = f"account-{number % 10}", f'{{"number": {number}, "amount": {number % 100 + 1}}}'
        sent.write(f"{key}\t{value}\n")
        producer.produce("payments", value, key, on_delivery=on_delivery)
        if number % 50 == 0:
            sent.flush()
            print(acknowledged, flush=True)
            producer.poll(0)
            time.sleep(max(0.0, begin + (number - first) / rate - time.monotonic()))
producer.flush()
print(acknowledged, flush=True)
