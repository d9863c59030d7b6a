// kafkajs's inner modules are not a documented interface. What `internals.ts` takes of them must be
// there, under the version that it was written for: this test fails loudly where it is not.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { describe, it } from "#std/testing/bdd";
import {
  apiKeys,
  type Broker,
  type Cluster,
  type Connection,
  createCluster,
  createConsumerGroup,
  createEmitter,
  createErrorFromCode,
  createLogger,
  decodeMessageSet,
  encoded,
  type KafkajsLogEntry,
  LEVELS,
  lookupCodecByAttributes,
  requests,
  roundRobin,
} from "../../../../src/poller/drivers/kafkajs/internals.ts";
import { magicOf } from "../../../../src/poller/drivers/shared/record_batches.ts";

const require = createRequire(import.meta.url);

const logger = createLogger({ level: LEVELS.NOTHING, logCreator: () => () => {} });

const cluster = (): Cluster =>
  createCluster({
    logger,
    brokers: ["127.0.0.1:1"],
    clientId: "test",
    ssl: null,
    retry: { retries: 0 },
    requestTimeout: 1_000,
    connectionTimeout: 1_000,
    offsets: new Map(),
    isolationLevel: 1,
    socketFactory: () => {
      throw new Error("nothing is to be connected");
    },
  });

function assertMethods(object: unknown, names: readonly string[]): void {
  for (const name of names) {
    assert.equal(typeof (object as Record<string, unknown>)[name], "function", `${name}()`);
  }
}

describe("kafkajs's inner modules", () => {
  it("are those of the version that they were read in", () => {
    assert.equal((require("kafkajs/package.json") as { version: string }).version, "2.2.4");
  });

  it("have a cluster with these methods", () => {
    assertMethods(cluster(), [
      "connect",
      "addMultipleTargetTopics",
      "refreshMetadata",
      "refreshMetadataIfNecessary",
      "findBroker",
      "removeBroker",
      "findGroupCoordinator",
      "findTopicPartitionMetadata",
      "fetchTopicsOffset",
    ]);
  });

  it("take connections from the cluster's builder, which may be replaced", async () => {
    const { connectionPoolBuilder } = cluster();
    const pool = await connectionPoolBuilder.build({ host: "127.0.0.1", port: 1 });
    assertMethods(pool, ["send"]);
    // One for fetches and one for all else.
    assert.equal(pool.pool.length, 2);
    for (const { requestQueue } of pool.pool) {
      assertMethods(requestQueue, [
        "scheduleCheckPendingRequests",
        "checkPendingRequests",
        "rejectAll",
        "destroy",
      ]);
      assert.deepEqual(requestQueue.pending, []);
      assert.equal(requestQueue.throttleCheckTimeoutId, null);
      assert.equal(typeof requestQueue.throttledUntil, "number");
    }
    let built = 0;
    const other = cluster() as Cluster & { brokerPool: { createBroker?: unknown } };
    other.connectionPoolBuilder.build = () => {
      built++;
      return Promise.reject(new Error("built by the test"));
    };
    await assert.rejects(other.connect(), /built by the test/);
    assert.equal(built, 1);
  });

  it("have brokers that may be made otherwise, and topics to ask for", () => {
    const { brokerPool, targetTopics } = cluster();
    assert.equal(brokerPool.metadata, null);
    assert.deepEqual([...targetTopics], []);
    const source = String(require("kafkajs/src/cluster/brokerPool.js"));
    // Both the first broker and those that metadata names.
    assert.match(source, /this\.seedBroker = this\.createBroker\(/);
    assert.match(source, /\[nodeId\]: this\.createBroker\(/);
    assert.match(source, /this\.metadata = await broker\.metadata\(topics\)/);
    assert.match(
      String(require("kafkajs/src/cluster/index.js")),
      /refreshMetadata\(Array\.from\(this\.targetTopics\)\)/,
    );
  });

  it("send what a request encodes", () => {
    const bytes = Buffer.from("anything");
    assert.deepEqual((encoded(bytes) as { buffer: Uint8Array }).buffer, bytes);
  });

  it("have brokers with these requests", () => {
    const broker = (require("kafkajs/src/broker/index.js") as { prototype: Broker }).prototype;
    assertMethods(broker, [
      "isConnected",
      "disconnect",
      "metadata",
      "heartbeat",
      "offsetFetch",
      "offsetCommit",
      "listOffsets",
    ]);
    // lookupRequest is a field of each broker.
    const source = String(require("kafkajs/src/broker/index.js"));
    assert.match(source, /this\.lookupRequest = lookup\(/);
    assert.match(source, /this\.connectionPool = connectionPool/);
    assert.match(source, /this\.nodeId = nodeId/);
  });

  it("have a group whose cluster and coordinator may be replaced", () => {
    const ours = cluster();
    const group = createConsumerGroup({
      retry: { retries: 0 },
      cluster: ours,
      groupId: "g",
      topics: ["t"],
      topicConfigurations: {},
      logger,
      instrumentationEmitter: createEmitter(),
      assigners: [roundRobin({ cluster: ours })],
      sessionTimeout: 10_000,
      rebalanceTimeout: 60_000,
      metadataMaxAge: 300_000,
      isolationLevel: 1,
      rackId: "",
      autoCommit: false,
    });
    assertMethods(group, ["joinAndSync", "leave", "assigned", "checkForStaleAssignment"]);
    assert.deepEqual([group.cluster, group.coordinator], [ours, null]);
    assert.deepEqual([group.generationId, group.memberId], [null, null]);
    assert.deepEqual(group.assigned(), []);
    // These fields are read anew for each request, so that setting them is enough.
    const source = String(require("kafkajs/src/consumer/consumerGroup.js"));
    assert.match(source, /this\.cluster\.findGroupCoordinator\(/);
    assert.match(source, /this\.coordinator\.joinGroup\(|coordinator\.joinGroup\(/);
  });

  it("have a request of fetch whose answer's decoder may be replaced", () => {
    assert.equal(apiKeys.Fetch, 1);
    const { versions, protocol } = requests.Fetch as {
      versions: (string | number)[];
      protocol(options: { version: number }): (request: unknown) => {
        request: { apiVersion: number; apiKey: number; encode: unknown };
        response: { decode: unknown; parse: unknown };
        requestTimeout: number;
      };
    };
    assert.deepEqual(versions.map(Number), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    for (const version of versions.map(Number).slice(4)) {
      const fetch = protocol({ version })({
        maxWaitTime: 70,
        minBytes: 1,
        maxBytes: 2,
        isolationLevel: 1,
        rackId: "",
        topics: [],
      });
      assert.equal(fetch.request.apiVersion, version);
      assertMethods(fetch.request, ["encode"]);
      assertMethods(fetch.response, ["decode", "parse"]);
      assert.ok(fetch.requestTimeout >= 70);
    }
  });

  it("have errors by code, which say whether they may go away", () => {
    const cases: [number, string, boolean][] = [
      [1, "OFFSET_OUT_OF_RANGE", false],
      [3, "UNKNOWN_TOPIC_OR_PARTITION", true],
      [22, "ILLEGAL_GENERATION", false],
      [25, "UNKNOWN_MEMBER_ID", false],
      [27, "REBALANCE_IN_PROGRESS", false],
      [29, "TOPIC_AUTHORIZATION_FAILED", false],
      [82, "FENCED_INSTANCE_ID", false],
    ];
    for (const [code, type, retriable] of cases) {
      const error = createErrorFromCode(code);
      assert.ok(error instanceof Error);
      assert.deepEqual([error.type, error.retriable], [type, retriable]);
    }
    assert.ok(createErrorFromCode(31_000) instanceof Error);
  });

  it("have one codec, gzip, and say of the others that there is none", () => {
    assert.equal(lookupCodecByAttributes(0), null);
    assertMethods(lookupCodecByAttributes(1), ["decompress"]);
    for (const codec of [2, 3, 4]) {
      assert.throws(() => lookupCodecByAttributes(codec), { name: "KafkaJSNotImplemented" });
    }
  });

  it("read the message formats before record batches", async () => {
    const { default: MessageSet } = await import("kafkajs/src/protocol/messageSet/index.js") as {
      default: unknown;
    };
    const encode = MessageSet as (
      set: { messageVersion: number; entries: { key: string; value: string }[] },
    ) => { buffer: Uint8Array };
    for (const messageVersion of [0, 1]) {
      const entries = [{ key: "k", value: "first" }, { key: "k", value: "second" }];
      const { buffer } = encode({ messageVersion, entries });
      const messages = await decodeMessageSet(buffer);
      assert.deepEqual(
        messages.map(({ key, value }) => [String(key), String(value)]),
        entries.map(({ key, value }) => [key, value]),
      );
      assert.ok(messages.every(({ offset }) => Number(offset) === -1 || Number(offset) >= 0));
      assert.equal(magicOf(buffer), messageVersion);
    }
  });

  it("log through a function", () => {
    const entries: KafkajsLogEntry[] = [];
    const log = createLogger({
      level: LEVELS.DEBUG,
      logCreator: () => (entry) => void entries.push(entry),
    }) as unknown as { namespace(name: string): { error(message: string, extra: unknown): void } };
    log.namespace("Part").error("what happened", { more: 5 });
    const [{ namespace, label, log: line }] = entries as [KafkajsLogEntry];
    assert.deepEqual([namespace, label], ["Part", "ERROR"]);
    assert.deepEqual([line.message, line.logger, line.more], ["what happened", "kafkajs", 5]);
  });

  it("schedule checks of a queue through a method that may be replaced", async () => {
    const { connectionPoolBuilder } = cluster();
    const { pool } = await connectionPoolBuilder.build({ host: "127.0.0.1", port: 1 });
    const { requestQueue } = pool[0] as Connection;
    let scheduled = 0;
    requestQueue.scheduleCheckPendingRequests = () => void scheduled++;
    requestQueue.checkPendingRequests();
    assert.equal(scheduled, 1);
  });
});
