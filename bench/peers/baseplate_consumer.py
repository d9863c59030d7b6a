"""Baseplate's two Kafka consumers. What it is told and what it prints: see peers.ts beside this file."""

import sys

# As baseplate-serve does for services, before anything else: threads become greenlets.
if "--gevent" in sys.argv:
    from gevent.monkey import patch_all
    from baseplate.server.monkey import patch_stdlib_queues

    patch_all()
    patch_stdlib_queues()

import argparse
import datetime
import json
import os
import threading
import time

from baseplate import Baseplate
from baseplate.frameworks.queue_consumer.kafka import FastConsumerFactory, InOrderConsumerFactory
from baseplate.lib.metrics import Client, NullTransport
from baseplate.observers.metrics import MetricsBaseplateObserver
from baseplate.server.queue_consumer import QueueConsumerServer

parser = argparse.ArgumentParser()
for name in ("bootstrap", "group", "topic", "messages", "factory", "batch-size", "threads"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--gevent")
told = parser.parse_args()


class NoHealthServer:
    def start(self):
        pass

    def stop(self):
        pass


def without_health(factory):
    """Outside a service there is no port for it."""

    class WithoutHealth(factory):
        def build_health_checker(self, listener):
            return NoHealthServer()

    return WithoutHealth


expected = int(told.messages)
lock = threading.Lock()
count = 0
total = 0
first_at = None
first_cpu = None


def handle_message(context, data, message):
    global count, total, first_at, first_cpu
    if first_at is None:
        first_cpu = time.process_time()
        first_at = time.perf_counter()
    with lock:
        count += 1
        total += data["n"]
        if count == expected:
            seconds = time.perf_counter() - first_at
            reading = {
                "messages": count,
                "sum": total,
                "seconds": seconds,
                "cpuSeconds": time.process_time() - first_cpu,
            }
            print(json.dumps(reading), flush=True)
            # It never closes its consumer, and its threads wait for messages up to 5 s.
            os._exit(0)


# Without an observer of metrics its own handler fails; this one samples nothing.
baseplate = Baseplate()
baseplate.register(MetricsBaseplateObserver(Client(NullTransport(False), "bench"), 0.0))
factory = without_health(InOrderConsumerFactory if told.factory == "in-order" else FastConsumerFactory)
server = QueueConsumerServer.new(
    max_concurrency=int(told.threads),
    consumer_factory=factory.new(
        name=f"kafka_consumer.{told.group.partition('.')[2]}",
        baseplate=baseplate,
        bootstrap_servers=told.bootstrap,
        group_id=told.group,
        topics=[told.topic],
        handler_fn=handle_message,
        message_unpack_fn=json.loads,
        kafka_consume_batch_size=int(told.batch_size),
        kafka_config={"auto.offset.reset": "earliest"},
    ),
    listener=None,
    stop_timeout=datetime.timedelta(seconds=30),
)
server.start()
