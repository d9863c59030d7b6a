"""Drives confluent-kafka, which is librdkafka, for tests that are written in TypeScript.

A command is a line of JSON on standard input, `{"id": 1, "do": "write", "access": {...}, ...}`; its
answer is one on standard output, `{"id": 1, "answer": ...}` or `{"id": 1, "error": {...}}`. Members of
groups say what happens to them in between: `{"member": 1, "assigned": [...]}`, and so on. Each command
has a thread of its own. The program ends with its input.
"""

import base64
import json
import logging
import queue
import sys
import threading
import time
from concurrent.futures import Future

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, OffsetSpec

TIMEOUT_S = 20
POLL_S = 0.05

output = threading.Lock()
handles = {}
handles_lock = threading.Lock()
members = {}

# librdkafka says on standard error what it also tells by errors.
quiet = logging.getLogger("quiet")
quiet.addHandler(logging.NullHandler())
quiet.propagate = False


def emit(line):
    text = json.dumps(line) + "\n"
    with output:
        sys.stdout.write(text)
        sys.stdout.flush()


def settings(access, **more):
    found = {
        "bootstrap.servers": access["bootstrapServers"],
        "client.id": "conformance",
        "logger": quiet,
        "log_level": 0,
        "reconnect.backoff.ms": 20,
        "retry.backoff.ms": 20,
        "topic.metadata.refresh.sparse": True,
        "topic.metadata.propagation.max.ms": 0,
    }
    ca, sasl = access.get("ca"), access.get("sasl")
    if ca:
        found["ssl.ca.pem"] = ca
    if sasl:
        found["sasl.mechanism"] = sasl["mechanism"].upper()
        found["sasl.username"] = sasl["username"]
        found["sasl.password"] = sasl["password"]
    found["security.protocol"] = ("sasl_" if sasl else "") + ("ssl" if ca else "plaintext")
    found.update(more)
    return found


def shared(kind, access, **more):
    """An admin client or a producer, one for each set of settings."""
    key = json.dumps([kind.__name__, access, more], sort_keys=True)
    with handles_lock:
        if key not in handles:
            handles[key] = kind(settings(access, **more))
        return handles[key]


def admin(command):
    return shared(AdminClient, command["access"])


def one(futures):
    """The result of the only one of several futures."""
    (future,) = futures.values()
    return future.result(TIMEOUT_S)


def code_of(error):
    if error is not None and error.code() != KafkaError.NO_ERROR:
        raise KafkaException(error)


def decode(text, encoding):
    if text is None:
        return None
    return base64.b64decode(text) if encoding == "base64" else text.encode()


def encode(data, encoding):
    if data is None:
        return None
    return base64.b64encode(data).decode() if encoding == "base64" else data.decode()


def record_of(message, encoding="utf8"):
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": encode(message.key(), encoding),
        "value": encode(message.value(), encoding),
        "headers": [[name, value.decode()] for name, value in message.headers() or []],
        "timestamp": message.timestamp()[1],
    }


def log_in(command):
    """Resolves when a broker has answered; a refused login is an error at once."""
    refused = []
    client = AdminClient(settings(command["access"], error_cb=refused.append))
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            client.list_topics(timeout=0.2)
            return None
        except KafkaException:
            client.poll(0)
        for error in refused:
            if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
                raise KafkaException(error)
    raise TimeoutError("no broker has answered")


def describe_topic(command):
    topic = admin(command).list_topics(command["topic"], TIMEOUT_S).topics[command["topic"]]
    code_of(topic.error)
    return [topic.partitions[number].leader for number in sorted(topic.partitions)]


def list_topics(command):
    return sorted(admin(command).list_topics(timeout=TIMEOUT_S).topics)


def create_topic(command):
    topic = NewTopic(
        command["topic"],
        num_partitions=command.get("partitions", 1),
        replication_factor=command.get("replicationFactor", -1),
        config=command.get("config", {}),
    )
    one(admin(command).create_topics([topic]))


def create_partitions(command):
    one(admin(command).create_partitions([NewPartitions(command["topic"], command["count"])]))


def delete_topic(command):
    one(admin(command).delete_topics([command["topic"]]))


def describe_configs(command):
    resource = ConfigResource(ConfigResource.Type.TOPIC, command["topic"])
    return {k: entry.value for k, entry in one(admin(command).describe_configs([resource])).items()}


def write(command):
    producer = shared(
        Producer,
        command["access"],
        **{
            "acks": command.get("acks", -1),
            "compression.type": command.get("codec", "none"),
            "enable.idempotence": command.get("idempotent", False),
            "linger.ms": 0,
            # A record that is too large is the broker's to refuse.
            "message.max.bytes": 10_000_000,
            "message.timeout.ms": 10_000,
        },
    )
    encoding = command.get("encoding")
    reports = []
    for record in command["records"]:
        producer.produce(
            command["topic"],
            key=decode(record.get("key"), encoding),
            value=decode(record["value"], encoding),
            partition=command.get("partition", 0),
            headers=[(name, value.encode()) for name, value in record.get("headers", [])],
            timestamp=record.get("timestamp", 0),
            on_delivery=lambda error, message: reports.append((error, message)),
        )
    producer.flush(TIMEOUT_S)
    for error, _ in reports:
        code_of(error)
    if len(reports) < len(command["records"]):
        raise TimeoutError("not all records were sent")
    first = min((message.offset() for _, message in reports if message.offset() is not None), default=-1)
    return first if first >= 0 and command.get("acks") != 0 else None


def read(command):
    conf = settings(
        command["access"],
        **{
            "group.id": "nobody",
            "enable.auto.commit": False,
            "auto.offset.reset": command.get("reset", "earliest"),
            "fetch.wait.max.ms": command.get("maxWaitMs", 100),
            "fetch.queue.backoff.ms": 10,
            "fetch.error.backoff.ms": 20,
        },
    )
    if "maxBytes" in command:
        conf["max.partition.fetch.bytes"] = command["maxBytes"]
    consumer = Consumer(conf)
    records = []
    try:
        position = TopicPartition(command["topic"], command.get("partition", 0), command.get("from", 0))
        consumer.assign([position])
        deadline = time.monotonic() + TIMEOUT_S
        while len(records) < command["count"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(records)} of {command['count']} records came")
            message = consumer.poll(POLL_S)
            if message is None:
                continue
            code_of(message.error())
            record = record_of(message, command.get("encoding"))
            records.append(record)
            if command.get("tell"):
                emit({"id": command["id"], "record": record})
    finally:
        consumer.close()
    return records


def offset_at(command):
    at = command["at"]
    spec = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest()}.get(at)
    partition = TopicPartition(command["topic"], command["partition"])
    request = {partition: spec or OffsetSpec.for_timestamp(at)}
    client = admin(command)
    return one(client.list_offsets(request, isolation_level=IsolationLevel.READ_UNCOMMITTED)).offset


def delete_records(command):
    partition = TopicPartition(command["topic"], command["partition"], command["before"])
    return one(admin(command).delete_records([partition])).low_watermark


class Member:
    """A consumer with a thread that polls it."""

    def __init__(self, command):
        self.number = command["member"]
        self.consumer = Consumer(
            settings(
                command["access"],
                **{
                    "group.id": command["groupId"],
                    "session.timeout.ms": command.get("sessionTimeoutMs", 10_000),
                    "heartbeat.interval.ms": 100,
                    "auto.offset.reset": "earliest",
                    "enable.auto.commit": command.get("commitsAtLeave", False),
                    # At the end, and not before.
                    "auto.commit.interval.ms": 3_600_000,
                    "fetch.wait.max.ms": 100,
                    "fetch.queue.backoff.ms": 10,
                    **({"group.instance.id": command["instanceId"]} if "instanceId" in command else {}),
                },
            )
        )
        self.stopping = threading.Event()
        self.jobs = queue.SimpleQueue()
        self.consumer.subscribe(
            command["topics"],
            on_assign=lambda _, partitions: self.tell_assigned(partitions),
            on_revoke=lambda _, __: self.tell_assigned(None),
            on_lost=lambda _, __: self.tell_assigned(None),
        )
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def tell_assigned(self, partitions):
        names = None if partitions is None else [f"{at.topic}-{at.partition}" for at in partitions]
        emit({"member": self.number, "assigned": names})

    def run(self):
        while not self.stopping.is_set():
            while not self.jobs.empty():
                self.jobs.get()()
            records = []
            for message in self.consumer.consume(500, POLL_S):
                if message.error() is None:
                    records.append(record_of(message))
                elif message.error().code() > 0:
                    name, code = message.error().name(), message.error().code()
                    emit({"member": self.number, "error": {"name": name, "code": code, "message": name}})
            if records:
                emit({"member": self.number, "records": records})
        # Leaves the group, unless it is a static member.
        self.consumer.close()

    def commit(self, partitions):
        """Commits on the thread that polls: on another one it would wait for ever."""
        done = Future()

        def job():
            try:
                done.set_result(self.consumer.commit(offsets=partitions, asynchronous=False))
            except KafkaException as exception:
                done.set_exception(exception)

        self.jobs.put(job)
        return done.result(TIMEOUT_S)

    def leave(self):
        self.stopping.set()
        self.thread.join()


def join(command):
    members[command["member"]] = Member(command)


def commit(command):
    partitions = [partition_of(at) for at in command["offsets"]]
    for partition in members[command["member"]].commit(partitions):
        code_of(partition.error)


def partition_of(at):
    metadata = {"metadata": at["metadata"]} if "metadata" in at else {}
    return TopicPartition(at["topic"], at["partition"], at["offset"], **metadata)


def leave(command):
    members.pop(command["member"]).leave()


def commit_outside(command):
    offsets = [partition_of(at) for at in command["offsets"]]
    request = ConsumerGroupTopicPartitions(command["groupId"], offsets)
    for partition in one(admin(command).alter_consumer_group_offsets([request])).topic_partitions:
        code_of(partition.error)


def committed(command):
    partitions = [TopicPartition(command["topic"], number) for number in command["partitions"]]
    request = ConsumerGroupTopicPartitions(command["groupId"], partitions)
    found = one(admin(command).list_consumer_group_offsets([request])).topic_partitions
    for partition in found:
        code_of(partition.error)
    by_number = {partition.partition: partition for partition in found}
    return [
        {"offset": max(by_number[at].offset, -1), "metadata": by_number[at].metadata or ""}
        for at in command["partitions"]
    ]


def describe_group(command):
    group = one(admin(command).describe_consumer_groups([command["groupId"]]))
    return {"state": group.state.name, "members": len(group.members)}


def list_groups(command):
    return [group.group_id for group in admin(command).list_consumer_groups().result(TIMEOUT_S).valid]


def delete_group(command):
    one(admin(command).delete_consumer_groups([command["groupId"]]))


def produce_million(command):
    """Writes texts of `bytes` bytes that begin with their number."""
    producer = Producer(
        settings(
            command["access"],
            **{
                "linger.ms": 20,
                "batch.num.messages": 10_000,
                "queue.buffering.max.messages": 1_000_000,
                "enable.idempotence": True,
            },
        )
    )
    failed = []
    partitions, size = command["partitions"], command["bytes"]
    report = lambda error, _: failed.append(error) if error else None
    for number in range(command["count"]):
        value = f"{number:08d}".ljust(size, "x")
        while True:
            try:
                producer.produce(command["topic"], value, partition=number % partitions, on_delivery=report)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush(120)
    for error in failed:
        code_of(error)


def consume_million(command):
    """Reads them as a group of one; tells how many came, how often twice, and how many not in order."""
    consumer = Consumer(
        settings(
            command["access"],
            **{
                "group.id": command["groupId"],
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "queued.max.messages.kbytes": 32_768,
                "fetch.queue.backoff.ms": 10,
            },
        )
    )
    consumer.subscribe([command["topic"]])
    seen = bytearray(command["count"])
    last = {}
    came = repeated = disorder = 0
    deadline = time.monotonic() + 240
    try:
        while came < command["count"] and time.monotonic() < deadline:
            for message in consumer.consume(10_000, 0.1):
                code_of(message.error())
                number = int(message.value()[:8])
                came += 1
                repeated += seen[number]
                seen[number] = 1
                disorder += last.get(message.partition(), -1) >= number
                last[message.partition()] = number
        consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    return {"messages": came, "repeated": repeated, "disorder": disorder, "missing": seen.count(0)}


COMMANDS = {
    "logIn": log_in,
    "describeTopic": describe_topic,
    "listTopics": list_topics,
    "createTopic": create_topic,
    "createPartitions": create_partitions,
    "deleteTopic": delete_topic,
    "describeConfigs": describe_configs,
    "write": write,
    "read": read,
    "offsetAt": offset_at,
    "deleteRecords": delete_records,
    "join": join,
    "commit": commit,
    "leave": leave,
    "commitOutside": commit_outside,
    "committed": committed,
    "describeGroup": describe_group,
    "listGroups": list_groups,
    "deleteGroup": delete_group,
    "produceMillion": produce_million,
    "consumeMillion": consume_million,
}


def run(command):
    try:
        emit({"id": command["id"], "answer": COMMANDS[command["do"]](command)})
    except KafkaException as exception:
        error = exception.args[0]
        described = {"name": error.name(), "code": error.code(), "message": error.str()}
        emit({"id": command["id"], "error": described})
    except Exception as error:  # The tests are told of all that goes wrong.
        described = {"name": type(error).__name__, "code": 0, "message": str(error)}
        emit({"id": command["id"], "error": described})


for line in sys.stdin:
    threading.Thread(target=run, args=[json.loads(line)], daemon=True).start()
for member in list(members.values()):
    member.stopping.set()
