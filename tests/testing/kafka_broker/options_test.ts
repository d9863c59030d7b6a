import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from "kafkajs";
import { describe, it } from "#std/testing/bdd";
import { OptionsError } from "../../../mod.ts";
import { BrokerError, KafkaBroker, type KafkaBrokerOptions } from "../../../src/testing/mod.ts";
import { type Certificates, makeCertificates } from "../../support/kafka/certificates.ts";
import { freePort } from "../../support/free_port.ts";
import { eagerClient, recordingLogger, rig } from "./support.ts";
import { A, rawClient } from "./raw_client.ts";

const SECRET = "correct horse battery staple";

async function certificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), "kafka-threads-options-"));
  return await makeCertificates(folder).finally(() => rm(folder, { recursive: true }));
}

const { ca, serverCert: cert, serverKey: key, clientCert, clientKey } = await certificates();
const other = await certificates();
const PEM_OF_NOTHING = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** What is wrong with options, as `path: expected`. */
async function issuesOf(options: unknown): Promise<OptionsError> {
  try {
    const broker = await KafkaBroker.start(options as KafkaBrokerOptions);
    await broker.stop();
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  throw new Error("Nothing was wrong");
}

describe("KafkaBroker.start(), its options", () => {
  const ONE: [unknown, string, RegExp, RegExp?][] = [
    ["9092", "", /an object of broker options/],
    [{ port: -1 }, "port", /an integer from 0 to 65535/, /-1/],
    [{ port: "9092" }, "port", /an integer/, /"9092"/],
    [{ port: 65_535, nodes: 2 }, "port", /a port with 1 more behind it up to 65535/],
    [{ nodes: 0 }, "nodes", /from 1 to 100/],
    [{ nodes: 101 }, "nodes", /from 1 to 100/],
    [{ hostname: " " }, "hostname", /not blank/],
    [{ topics: ["orders"] }, "topics", /an object of topics by name/],
    [{ topics: { orders: 0 } }, "topics.orders", /from 1 to 100000/],
    [{ topics: { orders: "3" } }, "topics.orders", /a number of partitions, or an object/],
    [{ topics: { orders: { partitions: 1.5 } } }, "topics.orders.partitions", /an integer/],
    [{ topics: { orders: { partition: 1 } } }, "topics.orders.partition", /mean "partitions"/],
    [{ topics: { o: { replicationFactor: 0 } } }, "topics.o.replicationFactor", /from 1 to 100/],
    [{ topics: { o: { config: { a: 1 } } } }, "topics.o.config.a", /text/],
    [{ autoCreateTopics: "yes" }, "autoCreateTopics", /true or false/],
    [{ defaultPartitions: 0 }, "defaultPartitions", /from 1/],
    [{ minSessionTimeoutMs: 0 }, "minSessionTimeoutMs", /from 1/],
    [
      { minSessionTimeoutMs: 10, maxSessionTimeoutMs: 9 },
      "minSessionTimeoutMs",
      /at most maxSessionTimeoutMs, which is 9/,
    ],
    [{ maxSessionTimeoutMs: 2 ** 31 }, "maxSessionTimeoutMs", /to 2147483647/],
    [{ initialRebalanceDelayMs: -1 }, "initialRebalanceDelayMs", /from 0 to 300000/],
    [{ maxRequestBytes: 100 }, "maxRequestBytes", /from 1024/],
    [{ logger: { info() {} } }, "logger", /debug, info, warn and error/],
    [{ logLevel: "trace" }, "logLevel", /"debug" or "info"/],
    [{ advertised: "kafka" }, "advertised", /an address "host:port", or a function/],
    [{ advertised: "kafka:0" }, "advertised", /an address/],
    [{ advertised: "kafka:99999" }, "advertised", /an address/],
    [{ advertised: "a:1", nodes: 2 }, "advertised", /a function of the node's number: .* 2 nodes/],
    [{ tls: true }, "tls", /an object { cert, key, ca, requireClientCert }/],
    [{ tls: {} }, "tls.cert", /PEM text/],
    [{ tls: { cert: "broker.pem", key } }, "tls.cert", /not the name of a file/],
    [{ tls: { cert: PEM_OF_NOTHING, key } }, "tls.cert", /of a certificate/],
    [{ tls: { cert, key: PEM_OF_NOTHING } }, "tls.key", /private key that is not/, /\[hidden\]/],
    [{ tls: { cert, key: other.serverKey } }, "tls.key", /the private key that belongs to cert/],
    [{ tls: { cert, key, requireClientCert: true } }, "tls.ca", /the authority/],
    [{ tls: { cert, key, ca: [] } }, "tls.ca", /one or more/],
    [{ sasl: { users: SECRET } }, "sasl.users", /passwords by user name/, /\[hidden\]/],
    [{ sasl: { users: { ada: "" } } }, "sasl.users.ada", /not empty/, /\[hidden\]/],
    [{ sasl: { users: {}, mechanisms: [] } }, "sasl.mechanisms", /one or more mechanisms/],
    [{ sasl: { users: {}, mechanisms: ["gssapi"] } }, "sasl.mechanisms[0]", /"plain" or "scram/],
    [{ listeners: { tls: 9093 } }, "listeners.tls", /an object { port, advertised, tls, sasl }/],
    [{ listeners: { main: {} } }, "listeners.main", /another name/],
    [{ listeners: { x: { advertised: "a:1" } }, nodes: 2 }, "listeners", /a function of the node/],
    [{ port: 9092, nodes: 3, listeners: { x: { port: 9094 } } }, "listeners", /ports, 3 from the/],
    [{ nodes: 3, listeners: { x: { port: 65_534 } } }, "listeners", /differ and go up to 65535/],
    [{ brokers: 3 }, "brokers", /did you mean "nodes"/],
    [{ ssl: {} }, "ssl", /did you mean "tls"/],
  ];
  for (const [options, path, expected, value] of ONE) {
    it(`says what is wrong with ${path || "no object"}: ${expected.source}`, async () => {
      const { issues, message } = await issuesOf(options);
      const issue = issues.find(({ option }) => option === path);
      assert.ok(issue, `${message} is about something else`);
      assert.match(issue.expected, expected);
      if (value !== undefined) assert.match(issue.value, value);
    });
  }

  it("says all that is wrong at once", async () => {
    const { issues, code } = await issuesOf({
      nodes: 0,
      topics: { a: -1, b: { partitions: 0 } },
      sasl: { users: { ada: 1 } },
      logLevel: "loud",
      pork: 1,
    });
    assert.deepEqual(
      issues.map(({ option }) => option).toSorted(),
      ["logLevel", "nodes", "pork", "sasl.users.ada", "topics.a", "topics.b.partitions"],
    );
    assert.equal(code, "INVALID_OPTIONS");
  });

  it("never prints a secret", async () => {
    const secrets = [
      { sasl: SECRET },
      { sasl: { users: SECRET } },
      { sasl: { users: [SECRET] } },
      { sasl: { users: { ada: [SECRET] } } },
      { sasl: { users: { ada: { password: SECRET } } } },
      { sasl: { user: SECRET } },
      { sasl: { users: { ada: SECRET }, mechanisms: [SECRET] } },
      { tls: { cert, key: SECRET } },
      { tls: { cert, key: { pem: SECRET } } },
      { tls: { cert, kye: SECRET } },
      { listeners: { x: { sasl: { users: { ada: [SECRET] } } } } },
      { listeners: { main: { sasl: { users: { ada: SECRET } }, tls: { cert, key } } } },
    ];
    for (const options of secrets) {
      const error = await issuesOf(options);
      const printed = `${error.stack} ${JSON.stringify(error.issues)}`;
      assert.ok(!printed.includes("horse"), `${printed} has it`);
      assert.ok(!printed.includes(key.split("\n")[1]!), `${printed} has the key`);
    }
  });

  it("logs no secret either, whatever clients do", async () => {
    const log = recordingLogger();
    await using broker = await KafkaBroker.start({
      logger: log,
      logLevel: "debug",
      tls: { cert, key },
      sasl: { users: { ada: SECRET } },
    });
    await broker.stop();
    assert.ok(!JSON.stringify(log.lines).includes("horse"));
    assert.equal(log.lines.length, 2);
  });

  it("starts with nothing said at all", async () => {
    await using broker = await KafkaBroker.start({ logLevel: "silent" });
    assert.match(broker.bootstrapServers, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(broker.nodeIds, [1]);
    assert.deepEqual(broker.topics(), {});
  });

  it("says where it listens, and that it is made for development and tests", async () => {
    const log = recordingLogger();
    await using broker = await KafkaBroker.start({ logger: log });
    assert.deepEqual(log.messages("info"), [
      `Kafka broker for development and tests listens on ${broker.bootstrapServers}; it keeps everything in memory`,
    ]);
  });

  it("refuses a topic that cannot be, and leaves nothing open", async () => {
    const port = await freePort();
    await assert.rejects(KafkaBroker.start({ port, topics: { "a b": 1 } }), {
      code: "TOPIC_REFUSED",
      topic: "a b",
    });
    await assert.rejects(KafkaBroker.start({ port, topics: { a: { replicationFactor: 2 } } }), {
      code: "TOPIC_REFUSED",
    });
    await using broker = await KafkaBroker.start({ port, logLevel: "silent" });
    assert.equal(broker.bootstrapServers, `127.0.0.1:${port}`);
  });
});

describe("KafkaBroker, where it listens", () => {
  it("takes the port that is given, and those behind it for further nodes", async () => {
    // Somebody else may take the ports in between: then there are others.
    for (let attempt = 0;; attempt++) {
      const port = await freePort();
      try {
        await using test = await rig({ port, nodes: 3 });
        const expected = [0, 1, 2].map((more) => `127.0.0.1:${port + more}`).join(",");
        assert.equal(test.broker.bootstrapServers, expected);
        const { brokers } = await (await test.raw(3)).ask(A.metadata, { topics: [] });
        assert.deepEqual(
          brokers.map(({ port }: { port: number }) => port),
          [port, port + 1, port + 2],
        );
        return;
      } catch (error) {
        if (attempt === 5 || (error as BrokerError).code !== "PORT_TAKEN") throw error;
      }
    }
  });

  it("says that a port is taken, and closes those that it had opened", async () => {
    const server = createServer();
    await using stack = new AsyncDisposableStack();
    stack.defer(() => void server.close());
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port + 1, "127.0.0.1", resolve));
    await assert.rejects(KafkaBroker.start({ port, nodes: 2, logLevel: "silent" }), (error) => {
      assert.ok(error instanceof BrokerError);
      assert.equal(error.code, "PORT_TAKEN");
      assert.match(error.message, new RegExp(`Cannot listen on "127.0.0.1:${port + 1}": .* taken`));
      return true;
    });
    await using broker = await KafkaBroker.start({ port, logLevel: "silent" });
    assert.equal(broker.bootstrapServers, `127.0.0.1:${port}`);
  });

  it("says that there is no such host, which is no port that is taken", async () => {
    // TEST-NET-1: no machine has it.
    await assert.rejects(KafkaBroker.start({ hostname: "192.0.2.1", logLevel: "silent" }), {
      name: "ConnectionError",
      code: "LISTEN_FAILED",
      message: /"192\.0\.2\.1:0": this machine has no such name or address/,
    });
  });

  const hasIpv6 = Object.values(networkInterfaces()).flat().some((one) => one?.address === "::1");
  it("listens on IPv6", hasIpv6 ? {} : { skip: "This machine has no ::1" }, async () => {
    await using broker = await KafkaBroker.start({
      hostname: "::1",
      topics: { t: 1 },
      logLevel: "silent",
    });
    assert.match(broker.bootstrapServers, /^\[::1\]:\d+$/);
    await using client = await rawClient(broker.bootstrapServers);
    const { brokers } = await client.ask(A.metadata, { topics: [] });
    assert.equal(brokers[0].host, "::1");
    assert.match(broker.connections[0]!.remoteAddress, /^\[::1\]:\d+$/);
  });

  it("tells clients an address that they can use if it listens on all", async () => {
    await using broker = await KafkaBroker.start({ hostname: "0.0.0.0", logLevel: "silent" });
    assert.match(broker.bootstrapServers, /^127\.0\.0\.1:\d+$/);
    await using client = await rawClient(broker.bootstrapServers);
    const { brokers } = await client.ask(A.metadata, { topics: [] });
    assert.equal(brokers[0].host, "127.0.0.1");
  });

  it("tells clients what it is to tell them", async () => {
    for (
      const [advertised, host, port] of [
        ["kafka.example:9092", "kafka.example", 9092],
        ["[2001:db8::1]:9093", "2001:db8::1", 9093],
        [(nodeId: number) => `node-${nodeId}:1`, "node-1", 1],
      ] as const
    ) {
      await using test = await rig({ advertised });
      const { brokers } = await (await test.raw()).ask(A.metadata, { topics: [] });
      assert.deepEqual([brokers[0].host, brokers[0].port], [host, port]);
    }
  });

  it("logs what is wrong with the address that it is to tell", async () => {
    await using test = await rig({ advertised: () => "nowhere" });
    const client = await test.raw();
    client.send(A.metadata, { topics: [] });
    await client.closed;
    assert.match(test.log.messages("error")[0]!, /advertised\(1\).*"nowhere".*host:port/s);
  });
});

describe("KafkaBroker, TLS and SASL beside plain text", () => {
  const users = { ada: SECRET, bob: "builder" };

  /** Asks for the topics, as kafkajs does it with these settings. */
  async function topicsBy(bootstrapServers: string, config: Partial<KafkaConfig>) {
    const admin = new Kafka({
      brokers: bootstrapServers.split(","),
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
      ...config,
    }).admin();
    try {
      await admin.connect();
      return await admin.listTopics();
    } finally {
      await admin.disconnect();
    }
  }

  it("serves the same topics on all listeners, and tells each client its own", async () => {
    await using test = await rig({
      nodes: 2,
      topics: { t: 2 },
      listeners: {
        tls: { tls: { cert, key } },
        sasl: { sasl: { users } },
        both: { tls: { cert, key }, sasl: { users, mechanisms: ["scram-sha-512"] } },
      },
    });
    const { broker } = test;
    const ssl = { ca: [ca], servername: "localhost" };
    const ada = { username: "ada", password: SECRET };
    assert.deepEqual(await topicsBy(broker.bootstrapServers, {}), ["t"]);
    assert.deepEqual(await topicsBy(broker.bootstrapServersOf("tls"), { ssl }), ["t"]);
    for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
      const sasl = { mechanism, ...ada } as SASLOptions;
      assert.deepEqual(await topicsBy(broker.bootstrapServersOf("sasl"), { sasl }), ["t"]);
    }
    const sasl = { mechanism: "scram-sha-512", ...ada } as SASLOptions;
    assert.deepEqual(await topicsBy(broker.bootstrapServersOf("both"), { ssl, sasl }), ["t"]);

    const addresses = ["main", "tls", "sasl", "both"]
      .flatMap((name) => broker.bootstrapServersOf(name).split(","));
    assert.equal(new Set(addresses).size, 8);
    assert.equal(broker.bootstrapServersOf("main"), broker.bootstrapServers);
    await using plain = await test.raw();
    const { brokers } = await plain.ask(A.metadata, { topics: [] });
    assert.equal(
      brokers.map(({ host, port }: { host: string; port: number }) => `${host}:${port}`).join(","),
      broker.bootstrapServers,
    );
  });

  it("lets nobody in with a wrong password, or by another mechanism, and says why in the log", async () => {
    await using test = await rig({
      sasl: { users, mechanisms: ["scram-sha-256"] },
    });
    const { broker } = test;
    const attempt = (mechanism: string, username: string, password: string) =>
      topicsBy(broker.bootstrapServers, {
        sasl: { mechanism, username, password } as SASLOptions,
      });
    await attempt("scram-sha-256", "bob", "builder");
    await assert.rejects(attempt("scram-sha-256", "bob", "builder?"));
    await assert.rejects(attempt("scram-sha-256", "eve", "builder"));
    await assert.rejects(attempt("plain", "bob", "builder"));
    const warnings = test.log.messages("warn");
    assert.equal(warnings.length, 3, warnings.join("\n"));
    assert.match(warnings[2]!, /"PLAIN" is not one of SCRAM-SHA-256/);
    assert.ok(!JSON.stringify(test.log.lines).includes("builder"));
  });

  it("handles nothing before a client is let in", async () => {
    await using test = await rig({ topics: { t: 1 }, sasl: { users } });
    const client = await test.raw();
    client.send(A.metadata, { topics: null });
    await client.closed;
    assert.equal(client.answers, 0);
    assert.match(test.log.messages("warn")[0]!, /Metadata before authentication/);
  });

  it("asks clients for a certificate, where it is told to", async () => {
    await using test = await rig({ tls: { cert, key, ca, requireClientCert: true } });
    const { bootstrapServers } = test.broker;
    const ssl = { ca: [ca], servername: "localhost" };
    const known = { ...ssl, cert: clientCert, key: clientKey };
    assert.deepEqual(await topicsBy(bootstrapServers, { ssl: known }), []);
    await assert.rejects(topicsBy(bootstrapServers, { ssl }));
    const stranger = { ...ssl, cert: other.clientCert, key: other.clientKey };
    await assert.rejects(topicsBy(bootstrapServers, { ssl: stranger }));
  });

  it("restarts its TLS listeners, too", async () => {
    await using test = await rig({ listeners: { tls: { tls: { cert, key } } } });
    const bootstrapServers = test.broker.bootstrapServersOf("tls");
    await test.broker.restart();
    assert.equal(test.broker.bootstrapServersOf("tls"), bootstrapServers);
    const ssl = { ca: [ca], servername: "localhost" };
    assert.deepEqual(await topicsBy(bootstrapServers, { ssl }), []);
    assert.ok(eagerClient(bootstrapServers));
  });
});
