import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KafkaConfig } from "kafkajs";
import { after, before, describe, it } from "#std/testing/bdd";
import { makeCertificates } from "./kafka/certificates.ts";
import { keepRunning, quietClient, withAdmin } from "./kafka/client.ts";
import {
  committedMetadata,
  committedOffsets,
  createTopic,
  deleteGroup,
  describeGroup,
  endOffsets,
  fillTopic,
  fillValue,
  type KafkaCluster,
  type KafkaClusterOptions,
  produce,
  uniqueName,
  unsecuredToken,
} from "./kafka/mod.ts";

// Java takes its time on a busy machine; Bun's own limit is 5 s.
const slow = { timeout: 120_000 };

/**
 * Tests that a Kafka for tests can do what tests ask of it, whichever it is.
 *
 * @typeParam Cluster Which one.
 * @param start Starts it.
 * @param more Registers further tests, of the one that all others are through with.
 */
export function kafkaContract<Cluster extends KafkaCluster>(
  start: (options?: KafkaClusterOptions) => Promise<Cluster>,
  more: (kafka: () => Cluster) => void,
): void {
  describe("with one broker", () => {
    let kafka: Cluster;
    before(async () => {
      kafka = await start({ tls: true, sasl: true });
    }, slow);
    after(() => kafka.stop(), slow);

    it("answers", slow, async () => {
      const topic = uniqueName("answers");
      await createTopic(kafka.bootstrapServers, topic, { partitions: 2 });
      const sent = await produce(kafka.bootstrapServers, topic, [
        { partition: 1, key: "k", value: "first" },
        { partition: 1, key: "k", value: "second" },
      ]);
      assert.deepEqual(sent, [{ partition: 1, baseOffset: 0 }]);
      assert.deepEqual(await endOffsets(kafka.bootstrapServers, topic), [0, 2]);
      await assert.rejects(createTopic(kafka.bootstrapServers, topic), /it exists/);
    });

    it("fills a topic once, and the values are what they should be", slow, async () => {
      const topic = uniqueName("filled");
      await fillTopic(kafka.bootstrapServers, topic, { messages: 3, bytes: 40, partitions: 2 });
      const more = { messages: 20_001, bytes: 40, partitions: 2, keys: 3 };
      await fillTopic(kafka.bootstrapServers, topic, more);
      await fillTopic(kafka.bootstrapServers, topic, more);
      assert.deepEqual(await endOffsets(kafka.bootstrapServers, topic), [10_001, 10_000]);

      const messages = await read(kafka.bootstrapServers, topic, 20_001);
      for (const { partition, offset, key, value } of messages) {
        assert.deepEqual(value, fillValue(offset, 40).toString());
        assert.deepEqual(JSON.parse(value).n, offset);
        assert.equal(key, offset < 2 - partition ? undefined : `k${offset % 3}`);
      }
      await assert.rejects(
        fillTopic(kafka.bootstrapServers, topic, { messages: 1, bytes: 40, partitions: 2 }),
        /Cannot fill/,
      );
      assert.throws(() => fillValue(1_000, 16), RangeError);
      assert.equal(fillValue(1_000, 17).toString(), `{"n":1000,"p":""}`);
    });

    it("tells what a group has committed and who is in it", slow, async () => {
      const bootstrapServers = kafka.bootstrapServers;
      const topic = uniqueName("committed");
      const groupId = uniqueName("shop.committed");
      // Enough to commit offset 7: kafkajs takes back what lies beyond the end.
      await fillTopic(bootstrapServers, topic, { messages: 20, bytes: 20, partitions: 2 });
      assert.equal((await describeGroup(bootstrapServers, groupId)).state, "Dead");

      const consumer = quietClient(bootstrapServers).consumer({ groupId, maxWaitTimeInMs: 50 });
      const joined = new Promise((resolve) => consumer.on("consumer.group_join", resolve));
      await consumer.connect();
      await consumer.subscribe({ topic });
      await keepRunning(consumer, { autoCommit: false, eachMessage: () => Promise.resolve() });
      await joined;
      await consumer.commitOffsets([{ topic, partition: 1, offset: "7", metadata: "m" }]);
      const { state, members } = await describeGroup(bootstrapServers, groupId);
      await consumer.disconnect();

      assert.equal(state, "Stable");
      assert.deepEqual(members.map(({ assignment }) => assignment), [{ [topic]: [0, 1] }]);
      assert.equal((await describeGroup(bootstrapServers, groupId)).state, "Empty");
      assert.deepEqual(await committedOffsets(bootstrapServers, groupId, topic), [-1, 7]);
      assert.deepEqual(await committedMetadata(bootstrapServers, groupId, topic), ["", "m"]);
      await deleteGroup(bootstrapServers, groupId);
      assert.deepEqual(await committedOffsets(bootstrapServers, groupId, topic), [-1, -1]);
    });

    it(
      "takes TLS clients with and without a certificate, and refuses strangers",
      slow,
      async () => {
        const { bootstrapServers, ca, clientCert, clientKey } = kafka.tls!;
        assert.equal(await tryClient(bootstrapServers, { ssl: { ca } }), "ok");
        assert.equal(
          await tryClient(bootstrapServers, { ssl: { ca, cert: clientCert, key: clientKey } }),
          "ok",
        );

        const folder = await mkdtemp(join(tmpdir(), "kafka-threads-strangers-"));
        try {
          const strangers = await makeCertificates(folder);
          assert.notEqual(await tryClient(bootstrapServers, { ssl: { ca: strangers.ca } }), "ok");
          const stranger = { ca, cert: strangers.clientCert, key: strangers.clientKey };
          assert.notEqual(await tryClient(bootstrapServers, { ssl: stranger }), "ok");
        } finally {
          await rm(folder, { recursive: true });
        }
      },
    );

    it("takes SASL clients that know the password, and refuses the others", slow, async () => {
      const { bootstrapServers, username, password, mechanisms } = kafka.sasl!;
      const passwords = mechanisms.filter((mechanism) => mechanism !== "oauthbearer");
      assert.deepEqual(passwords, ["plain", "scram-sha-256", "scram-sha-512"]);
      for (const mechanism of passwords) {
        // A new object each time: kafkajs writes into it, and would use the first password again.
        const login = (password: string): Partial<KafkaConfig> => ({
          sasl: { mechanism, username, password } as KafkaConfig["sasl"] & object,
        });
        assert.equal(await tryClient(bootstrapServers, login(password)), "ok", mechanism);
        assert.match(await tryClient(bootstrapServers, login("wrong")), /auth/i, mechanism);
      }
      if (passwords.length === mechanisms.length) return;
      const bearer = (token: string): Partial<KafkaConfig> => ({
        sasl: {
          mechanism: "oauthbearer",
          oauthBearerProvider: () => Promise.resolve({ value: token }),
        },
      });
      assert.equal(await tryClient(bootstrapServers, bearer(unsecuredToken("alice"))), "ok");
      const expired = unsecuredToken("alice", { lifetimeMs: -60_000 });
      assert.notEqual(await tryClient(bootstrapServers, bearer(expired)), "ok");
    });

    it("stands still while it is paused", slow, async () => {
      const broker = kafka.brokers[0]!;
      const admin = quietClient(kafka.bootstrapServers, { retry: { retries: 0 } }).admin();
      await admin.connect();
      let answered = false;
      broker.pause();
      const answer = admin.describeCluster().then(() => answered = true);
      // The kernel still takes connections for a stopped process.
      const socket = createConnection(Number(broker.bootstrapServer.split(":")[1]), "127.0.0.1");
      await once(socket, "connect");
      socket.destroy();
      assert.equal(answered, false);
      broker.resume();
      await answer;
      await admin.disconnect();
    });

    it("keeps its data when it is killed and started again", slow, async () => {
      const topic = uniqueName("kept");
      const broker = kafka.brokers[0]!;
      await createTopic(kafka.bootstrapServers, topic);
      await produce(kafka.bootstrapServers, topic, [{ value: "kept" }]);
      assert.equal(broker.isUp, true);
      await broker.kill();
      assert.equal(broker.isUp, false);
      assert.notEqual(await tryClient(kafka.bootstrapServers), "ok");
      await broker.kill();

      await broker.start();
      assert.equal(broker.isUp, true);
      assert.deepEqual(await endOffsets(kafka.bootstrapServers, topic), [1]);
      await assert.rejects(broker.start(), /it is running/);
    });

    more(() => kafka);
  });

  it("makes one cluster of three brokers that survives one of them", slow, async () => {
    await using kafka = await start({ brokers: 3 });
    const topic = uniqueName("replicated");
    await createTopic(kafka.bootstrapServers, topic, {
      replicationFactor: 3,
      config: { "min.insync.replicas": "2" },
    });
    await produce(kafka.bootstrapServers, topic, [{ value: "first" }]);

    const leader = await findLeader(kafka.bootstrapServers, topic);
    await kafka.brokers[leader - 1]!.stop();
    const others = kafka.brokers.filter(({ isUp }) => isUp);
    assert.equal(others.length, 2);
    const left = others.map(({ bootstrapServer }) => bootstrapServer).join(",");
    await produce(left, topic, [{ value: "second" }]);
    assert.deepEqual(await endOffsets(left, topic), [2]);
  });
}

/** Connects and asks once: "ok", or what went wrong. */
async function tryClient(
  bootstrapServers: string,
  config: Partial<KafkaConfig> = {},
): Promise<string> {
  try {
    await withAdmin(bootstrapServers, (admin) => admin.listTopics(), {
      ...config,
      retry: { retries: 0 },
    });
    return "ok";
  } catch (error) {
    return `${error}`;
  }
}

interface ReadMessage {
  partition: number;
  offset: number;
  key: string | undefined;
  value: string;
}

async function read(bootstrapServers: string, topic: string, count: number) {
  const messages: ReadMessage[] = [];
  const groupId = uniqueName("shop.read");
  const consumer = quietClient(bootstrapServers).consumer({ groupId, maxWaitTimeInMs: 50 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve) =>
    keepRunning(consumer, {
      eachBatch: ({ batch }) => {
        for (const { offset, key, value } of batch.messages) {
          messages.push({
            partition: batch.partition,
            offset: Number(offset),
            key: key?.toString(),
            value: value!.toString(),
          });
        }
        if (messages.length >= count) resolve();
        return Promise.resolve();
      },
    })
  );
  await consumer.disconnect();
  return messages;
}

async function findLeader(bootstrapServers: string, topic: string): Promise<number> {
  const { topics } = await withAdmin(
    bootstrapServers,
    (admin) => admin.fetchTopicMetadata({ topics: [topic] }),
  );
  return topics[0]!.partitions[0]!.leader;
}
