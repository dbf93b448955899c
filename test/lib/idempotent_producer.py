#!/usr/bin/env python3
"""What VerifiableProducer does, by librdkafka: idempotent_producer.py BOOTSTRAP TOPIC RATE sends the numbers from 0 on, so many a
second, until SIGTERM, and says as VerifiableProducer does what became of each."""
import json
import signal
import sys
import time

from confluent_kafka import Producer

stopped = False


def stop(signo, frame):
    global stopped
    stopped = True


def say(name, **fields):
    print(json.dumps({"name": name, **fields}, separators=(",", ":")), flush=True)


def on_delivery(error, message):
    value = message.value().decode()
    if error is not None:
        say("producer_send_error", value=value, message=str(error))
    else:
        say("producer_send_success", value=value, partition=message.partition(), offset=message.offset())


def on_error(error):
    if error.fatal():
        say("producer_send_error", value=None, message=f"fatal: {error}")


def main():
    bootstrap, topic, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    signal.signal(signal.SIGTERM, stop)
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5,
        "message.timeout.ms": 600000, "request.timeout.ms": 5000, "socket.timeout.ms": 6000, "reconnect.backoff.max.ms": 200,
        "error_cb": on_error})
    began, n = time.monotonic(), 0
    while not stopped:
        if n < (time.monotonic() - began) * rate:
            try:
                producer.produce(topic, key=str(n % 50), value=str(n), on_delivery=on_delivery)
                n += 1
            except BufferError:
                producer.poll(0.1)
            producer.poll(0)
        else:
            producer.poll(0.005)
    left = producer.flush(60)
    say("tool_data", sent=n, left=left)


main()
