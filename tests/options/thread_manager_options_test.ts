import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { OptionsError } from "../../src/errors.ts";
import { parseThreadManagerOptions } from "../../src/options/thread_manager_options.ts";

const consumer = { bootstrapServers: "localhost:9092", groupId: "shop.orders", topics: ["orders"] };

function errorOf(input: unknown): OptionsError {
  try {
    parseThreadManagerOptions(input);
  } catch (error) {
    assert.ok(error instanceof OptionsError, `not an OptionsError: ${error}`);
    return error;
  }
  throw new Error("nothing was thrown");
}

const inConsumer = (extra: object) => ({ consumer: { ...consumer, ...extra } });
const beside = (extra: object) => ({ consumer, ...extra });
const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

describe("parseThreadManagerOptions() fills in", () => {
  it("every default", () => {
    assert.deepEqual(parseThreadManagerOptions({ consumer }), {
      consumer: {
        bootstrapServers: [{ host: "localhost", port: 9092 }],
        groupId: "shop.orders",
        topics: ["orders"],
        startFrom: "latest",
        clientId: "kafka-threads",
        ssl: false,
        sasl: undefined,
        driver: "kafkajs",
        driverOptions: {},
        sessionTimeoutMs: 10_000,
        heartbeatIntervalMs: 3_000,
        workers: { poller: undefined, handler: undefined },
        thread: "worker",
        instrumentation: undefined,
      },
      onMessage: undefined,
      lifetimeMs: 40_000,
      daemon: false,
      commit: { intervalMs: 5_000 },
      name: "kafka_consumer.shop.orders",
      logger: console,
      logLevel: "info",
      signal: undefined,
      maxInFlight: { messages: 50_000, bytes: 16_777_216 },
      startTimeoutMs: 30_000,
      stopTimeoutMs: 30_000,
      retry: { initialMs: 250, maxMs: 10_000, budgetMs: 300_000 },
    });
  });

  it("the rest of an object that is given in part", () => {
    const options = parseThreadManagerOptions({
      consumer: { ...consumer, ssl: { ca: pem } },
      maxInFlight: { bytes: 5 },
      retry: { budgetMs: null },
      lifetimeMs: undefined,
    });
    assert.deepEqual(options.maxInFlight, { messages: 50_000, bytes: 5 });
    assert.deepEqual(options.retry, { initialMs: 250, maxMs: 10_000, budgetMs: null });
    assert.equal(options.lifetimeMs, 40_000);
    assert.deepEqual(options.consumer.ssl, {
      ca: [pem],
      cert: undefined,
      key: undefined,
      servername: undefined,
      rejectUnauthorized: true,
    });
  });
});

describe("parseThreadManagerOptions() takes", () => {
  it("servers with commas, in a list, and with IPv6 addresses", () => {
    const servers = (bootstrapServers: unknown) =>
      parseThreadManagerOptions(inConsumer({ bootstrapServers })).consumer.bootstrapServers;
    const expected = [{ host: "a.b-c_d", port: 1 }, { host: "::1", port: 65_535 }];
    assert.deepEqual(servers("a.b-c_d:1, [::1]:65535"), expected);
    assert.deepEqual(servers(["a.b-c_d:1", "[::1]:65535"]), expected);
  });

  it("a lifetime of null or 0 as: until stop()", () => {
    assert.equal(parseThreadManagerOptions(beside({ lifetimeMs: null })).lifetimeMs, null);
    assert.equal(parseThreadManagerOptions(beside({ lifetimeMs: 0 })).lifetimeMs, null);
    assert.equal(parseThreadManagerOptions(beside({ lifetimeMs: 1 })).lifetimeMs, 1);
  });

  it("all ways to commit", () => {
    const commit = (value: unknown) => parseThreadManagerOptions(beside({ commit: value })).commit;
    assert.deepEqual(commit("auto"), { intervalMs: 5_000 });
    assert.equal(commit("manual"), "manual");
    assert.deepEqual(commit({ intervalMs: 20 }), { intervalMs: 20 });
  });

  it("all ways to authenticate", () => {
    const token = () => Promise.resolve("t");
    for (
      const sasl of [
        { mechanism: "plain", username: "u", password: "p" },
        { mechanism: "scram-sha-256", username: "u", password: "p" },
        { mechanism: "scram-sha-512", username: "u", password: "p" },
        { mechanism: "oauthbearer", token },
      ]
    ) assert.deepEqual(parseThreadManagerOptions(inConsumer({ sasl })).consumer.sasl, sasl);
  });

  it("a URL as the driver, functions and URLs as workers, a signal, a logger", () => {
    const url = new URL("file:///driver.ts");
    const make = () => ({}) as Worker;
    const { signal } = new AbortController();
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const options = parseThreadManagerOptions({
      consumer: { ...consumer, driver: url, workers: { poller: make, handler: url } },
      signal,
      logger,
    });
    assert.equal(options.consumer.driver, url);
    assert.deepEqual(options.consumer.workers, { poller: make, handler: url });
    assert.equal(options.signal, signal);
    assert.equal(options.logger, logger);
  });

  it("driverOptions as a copy, so that later changes do not reach the thread by halves", () => {
    const driverOptions = { nested: { maxBytes: 1 } };
    const options = parseThreadManagerOptions(inConsumer({ driverOptions }));
    driverOptions.nested.maxBytes = 2;
    assert.deepEqual(options.consumer.driverOptions, { nested: { maxBytes: 1 } });
  });

  it("options that are getters of a class", () => {
    class Settings {
      get consumer() {
        return consumer;
      }
    }
    assert.equal(parseThreadManagerOptions(new Settings()).consumer.groupId, "shop.orders");
  });
});

const int = (min: number, max: number, unit = "milliseconds") =>
  `an integer from ${min} to ${max} (${unit})`;
const MAX_MS = 2_147_483_647;
const address = "host:port with a port from 1 to 65535, such as localhost:9092 or [::1]:9092";
const topic = "a topic name of 1 to 249 letters, digits, dots, underscores and hyphens";
const text = (max: number) => `text of 1 to ${max} characters that is not blank`;

// Given options; the one option that is wrong; how its value is printed; what is expected.
const wrong: readonly [unknown, string, string, string][] = [
  [undefined, "", "undefined", "an object"],
  ["x", "", '"x"', "an object"],
  [[], "", "[]", "an object"],
  [{}, "consumer", "undefined", "an object of connection options"],
  [{ consumer: [] }, "consumer", "[]", "an object of connection options"],

  [inConsumer({ bootstrapServers: 3 }), "bootstrapServers", "3", `${address}, or a list of those`],
  [
    inConsumer({ bootstrapServers: [] }),
    "bootstrapServers",
    "[]",
    `${address}, or a list of those`,
  ],
  [inConsumer({ bootstrapServers: "" }), "bootstrapServers", '""', address],
  [inConsumer({ bootstrapServers: "a:1,b" }), "bootstrapServers", '"b"', address],
  [inConsumer({ bootstrapServers: ["a:1", "b:0"] }), "bootstrapServers[1]", '"b:0"', address],
  [inConsumer({ bootstrapServers: "b:65536" }), "bootstrapServers", '"b:65536"', address],
  [inConsumer({ bootstrapServers: "::1:9092" }), "bootstrapServers", '"::1:9092"', address],
  [inConsumer({ bootstrapServers: ["a:1", 7] }), "bootstrapServers[1]", "7", address],
  [inConsumer({ groupId: "" }), "groupId", '""', text(32_767)],
  [inConsumer({ groupId: "  " }), "groupId", '"  "', text(32_767)],
  [inConsumer({ groupId: undefined }), "groupId", "undefined", text(32_767)],
  [inConsumer({ topics: "orders" }), "topics", '"orders"', "a list of one or more topic names"],
  [inConsumer({ topics: [] }), "topics", "[]", "a list of one or more topic names"],
  [inConsumer({ topics: ["a b"] }), "topics[0]", '"a b"', topic],
  [inConsumer({ topics: ["a", ".."] }), "topics[1]", '".."', topic],
  [
    inConsumer({ topics: ["x".repeat(250)] }),
    "topics[0]",
    JSON.stringify(`${"x".repeat(80)}…`),
    topic,
  ],
  [
    inConsumer({ topics: ["a", "a"] }),
    "topics[1]",
    '"a"',
    "a topic that the list does not have yet",
  ],
  [inConsumer({ startFrom: "newest" }), "startFrom", '"newest"', '"latest" or "earliest"'],
  [inConsumer({ startFrom: null }), "startFrom", "null", '"latest" or "earliest"'],
  [inConsumer({ clientId: 5 }), "clientId", "5", text(32_767)],
  [
    inConsumer({ ssl: 1 }),
    "ssl",
    "1",
    "true, false or an object { ca, cert, key, servername, rejectUnauthorized }",
  ],
  [
    inConsumer({ ssl: { ca: "ca.pem" } }),
    "ssl.ca",
    '"ca.pem"',
    "PEM text (-----BEGIN …), not the name of a file",
  ],
  [
    inConsumer({ ssl: { ca: [pem, "ca.pem"] } }),
    "ssl.ca[1]",
    '"ca.pem"',
    "PEM text (-----BEGIN …), not the name of a file",
  ],
  [
    inConsumer({ ssl: { cert: pem } }),
    "ssl.key",
    "undefined",
    "the private key that belongs to cert",
  ],
  [
    inConsumer({ ssl: { key: pem } }),
    "ssl.cert",
    "undefined",
    "the certificate that belongs to key",
  ],
  [
    inConsumer({ ssl: { rejectUnauthorized: "no" } }),
    "ssl.rejectUnauthorized",
    '"no"',
    "true or false",
  ],
  [
    inConsumer({ sasl: "x" }),
    "sasl",
    "[hidden]",
    "an object { mechanism, username, password } or { mechanism, token }",
  ],
  [
    inConsumer({ sasl: { mechanism: "gssapi", username: "u" } }),
    "sasl.mechanism",
    '"gssapi"',
    '"plain" or "scram-sha-256" or "scram-sha-512" or "oauthbearer"',
  ],
  [
    inConsumer({ sasl: { mechanism: "plain", username: "u" } }),
    "sasl.password",
    "undefined",
    "text, not empty",
  ],
  [
    inConsumer({ sasl: { mechanism: "plain", username: 3, password: "p" } }),
    "sasl.username",
    "3",
    text(32_767),
  ],
  [
    inConsumer({ sasl: { mechanism: "oauthbearer", token: "abc" } }),
    "sasl.token",
    "[hidden]",
    "a function that gets a token",
  ],
  [
    inConsumer({ driver: "./driver.ts" }),
    "driver",
    '"./driver.ts"',
    '"kafkajs" or "platformatic" or a URL object (new URL("./driver.ts", import.meta.url))',
  ],
  [
    inConsumer({ driverOptions: { retry: () => {} } }),
    "driverOptions",
    "{ retry: a function }",
    "an object that can be cloned to a thread (no functions in it)",
  ],
  [inConsumer({ sessionTimeoutMs: 99 }), "sessionTimeoutMs", "99", int(100, 3_600_000)],
  [inConsumer({ heartbeatIntervalMs: 1.5 }), "heartbeatIntervalMs", "1.5", int(10, 3_600_000)],
  [
    inConsumer({ sessionTimeoutMs: 3_000 }),
    "heartbeatIntervalMs",
    "3000",
    "less than sessionTimeoutMs, which is 3000",
  ],
  [
    inConsumer({ workers: { poller: "./poller.ts" } }),
    "workers.poller",
    '"./poller.ts"',
    "a URL object or a function that makes a Worker",
  ],
  [
    inConsumer({ workers: { handler: 1 } }),
    "workers.handler",
    "1",
    "a URL object or a function that makes a Worker",
  ],
  [
    inConsumer({ instrumentation: "./otel.ts" }),
    "instrumentation",
    '"./otel.ts"',
    'a URL object (new URL("./instrumentation.ts", import.meta.url))',
  ],
  [inConsumer({ workers: true }), "workers", "true", "an object"],
  [inConsumer({ thread: "main" }), "thread", '"main"', '"worker" or "inline"'],

  [beside({ onMessage: "x" }), "onMessage", '"x"', "a function"],
  [
    beside({ lifetimeMs: -1 }),
    "lifetimeMs",
    "-1",
    `${int(0, MAX_MS)}, or null or 0: until stop()`,
  ],
  [
    beside({ lifetimeMs: Infinity }),
    "lifetimeMs",
    "Infinity",
    `${int(0, MAX_MS)}, or null or 0: until stop()`,
  ],
  [
    beside({ lifetimeMs: "40" }),
    "lifetimeMs",
    '"40"',
    `${int(0, MAX_MS)}, or null or 0: until stop()`,
  ],
  [beside({ daemon: "yes" }), "daemon", '"yes"', "true or false"],
  [
    { consumer: { ...consumer, thread: "inline" }, daemon: true },
    "daemon",
    "true",
    'false, because consumer.thread is "inline" and a daemon needs a thread',
  ],
  [
    beside({ commit: "each" }),
    "commit",
    '"each"',
    '"auto" or "manual" or an object { intervalMs }',
  ],
  [beside({ commit: {} }), "commit.intervalMs", "undefined", int(1, 3_600_000)],
  [beside({ commit: { intervalMs: 0 } }), "commit.intervalMs", "0", int(1, 3_600_000)],
  [beside({ name: "" }), "name", '""', text(255)],
  [
    beside({ logger: { info() {} } }),
    "logger",
    "{ info: a function }",
    "an object with the methods debug, info, warn and error, such as console",
  ],
  [
    beside({ logLevel: "trace" }),
    "logLevel",
    '"trace"',
    '"debug" or "info" or "warn" or "error" or "silent"',
  ],
  [beside({ signal: {} }), "signal", "{}", "an AbortSignal"],
  [
    beside({ maxInFlight: { messages: 0 } }),
    "maxInFlight.messages",
    "0",
    int(1, 10_000_000, "messages"),
  ],
  [
    beside({ maxInFlight: { bytes: NaN } }),
    "maxInFlight.bytes",
    "NaN",
    int(1, 4_294_967_296, "bytes"),
  ],
  [beside({ maxInFlight: 5 }), "maxInFlight", "5", "an object"],
  [beside({ startTimeoutMs: 0 }), "startTimeoutMs", "0", int(1, MAX_MS)],
  [beside({ stopTimeoutMs: 2 ** 31 }), "stopTimeoutMs", "2147483648", int(1, MAX_MS)],
  [beside({ retry: { initialMs: 0 } }), "retry.initialMs", "0", int(1, 3_600_000)],
  [beside({ retry: { maxMs: 5n } }), "retry.maxMs", "5n", int(1, 3_600_000)],
  [beside({ retry: { maxMs: 249 } }), "retry.initialMs", "250", "at most maxMs, which is 249"],
  [
    beside({ retry: { budgetMs: 0 } }),
    "retry.budgetMs",
    "0",
    `${int(1, MAX_MS)}, or null: for ever`,
  ],
];

describe("parseThreadManagerOptions() refuses", () => {
  for (const [input, name, value, expected] of wrong) {
    const isConnection = input === Object(input) && (input as { consumer?: unknown }).consumer !==
        consumer &&
      name !== "" && name !== "consumer" && name !== "daemon";
    const option = isConnection ? `consumer.${name}` : name;
    it(`${option || "all"} = ${value}, expected ${expected}`, () => {
      const error = errorOf(input);
      assert.deepEqual(error.issues, [{ option, value, expected }]);
      assert.ok(error.message.includes(option) && error.message.includes(`${value}, expected`));
      assert.equal(error.code, "INVALID_OPTIONS");
    });
  }

  it("several wrong options, all at once, in their order", () => {
    const error = errorOf({
      consumer: { ...consumer, topics: ["a b", ""], groupId: 3, colour: "red" },
      lifetimeMs: -1,
      retry: { initialMs: -1, maxMs: -1 },
      sise: 1,
    });
    assert.deepEqual(error.issues.map((issue) => issue.option), [
      "consumer.groupId",
      "consumer.topics[0]",
      "consumer.topics[1]",
      "consumer.colour",
      "lifetimeMs",
      "retry.initialMs",
      "retry.maxMs",
      "sise",
    ]);
    assert.equal(error.message.split("\n").length, 1 + error.issues.length);
  });

  it("one option that does not stop a rule about others", () => {
    const names = errorOf(
      beside({ daemon: true, consumer: { ...consumer, thread: "inline" }, x: 1 }),
    )
      .issues.map((issue) => issue.option);
    assert.deepEqual(names, ["x", "daemon"]);
  });
});

describe("parseThreadManagerOptions() suggests", () => {
  const suggestions: readonly [object, string, string | undefined][] = [
    [inConsumer({ groupID: "x" }), "consumer.groupID", "groupId"],
    [inConsumer({ "group.id": "x" }), 'consumer["group.id"]', "groupId"],
    [inConsumer({ topic: "x" }), "consumer.topic", "topics"],
    [inConsumer({ brokers: "x" }), "consumer.brokers", "bootstrapServers"],
    [inConsumer({ bootstrap_server: "x" }), "consumer.bootstrap_server", "bootstrapServers"],
    [inConsumer({ fromBeginning: true }), "consumer.fromBeginning", "startFrom"],
    [beside({ lifetime: 1 }), "lifetime", "lifetimeMs"],
    [beside({ onMesage: 1 }), "onMesage", "onMessage"],
    [beside({ topics: ["x"] }), "topics", "consumer.topics"],
    [beside({ logger_: 1 }), "logger_", "logger"],
    [beside({ retry: { budget: 1 } }), "retry.budget", "budgetMs"],
    [beside({ colour: 1 }), "colour", undefined],
  ];
  for (const [input, option, suggestion] of suggestions) {
    it(`${suggestion} for ${option}`, () => {
      const issue = errorOf(input).issues.find((issue) => issue.option === option);
      assert.ok(issue, `no issue for ${option}`);
      if (suggestion === undefined) assert.match(issue.expected, /^a known option: consumer, /);
      else assert.equal(issue.expected, `a known option; did you mean "${suggestion}"?`);
    });
  }

  it("nothing for names of an object's prototype, and refuses those too", () => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      const input = JSON.parse(JSON.stringify({ consumer }).replace("{", `{"${name}": 1, `));
      assert.deepEqual(errorOf(input).issues.map((issue) => issue.option), [name]);
    }
  });
});

describe("parseThreadManagerOptions() never prints", () => {
  const secret = "hunter2-hunter2";
  const inputs: readonly [string, unknown][] = [
    ["a password of the wrong type", { mechanism: "plain", username: 1, password: [secret] }],
    ["a token that is no function", { mechanism: "oauthbearer", token: secret }],
    ["a misspelt password", { mechanism: "plain", username: "u", pw: secret }],
    ["a password beside an unknown mechanism", { mechanism: 5, password: secret }],
    ["a list", ["plain", "u", secret]],
    ["text", secret],
  ];
  for (const [title, sasl] of inputs) {
    it(`sasl: ${title}`, () => hides(inConsumer({ sasl })));
  }
  it("ssl.key", () => hides(inConsumer({ ssl: { key: secret, cert: pem } })));
  it("a private key at another option", () =>
    hides(inConsumer({ startFrom: `-----BEGIN PRIVATE KEY-----${secret}` })));
  it("text instead of ssl", () => hides(inConsumer({ ssl: secret })));
  it("an unknown option of ssl", () => hides(inConsumer({ ssl: { pfx: secret } })));
  it("a password beside its object", () =>
    hides(inConsumer({ password: secret, pasword: secret })));
  it("nested passwords of driverOptions", () =>
    hides(inConsumer({
      driverOptions: { no: () => {}, sasl: { password: secret }, a: { b: { passphrase: secret } } },
    })));
  it("text instead of driverOptions", () => hides(inConsumer({ driverOptions: secret })));
  it("the password of a server", () =>
    hides(inConsumer({ bootstrapServers: `kafka://user:${secret}@host:9092` })));
  it("the password of a URL", () =>
    hides(inConsumer({ groupId: new URL(`https://user:${secret}@host/`) })));
  it("a connection in the wrong place", () =>
    hides({ consumer: [{ ...consumer, sasl: { mechanism: "plain", password: secret } }] }));

  function hides(input: unknown): void {
    const error = errorOf(input);
    const everything = `${error.message}\n${error.stack}\n${JSON.stringify(error)}`;
    assert.ok(!everything.includes("hunter2"), everything);
    assert.equal(error.cause, undefined);
  }
});

describe("parseThreadManagerOptions() survives", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSparseArray: true,
    withTypedArray: true,
  });
  const only = (input: unknown): void => {
    try {
      parseThreadManagerOptions(input);
    } catch (error) {
      assert.ok(error instanceof OptionsError, `not an OptionsError: ${error}`);
      assert.ok(error.issues.length > 0);
    }
  };

  it("anything", () => fc.assert(fc.property(anything, only)));

  it("anything at any option", () => {
    const top = Object.keys(parseThreadManagerOptions({ consumer }));
    const inner = Object.keys(parseThreadManagerOptions({ consumer }).consumer);
    const some = (names: string[]) => fc.dictionary(fc.constantFrom(...names), anything);
    fc.assert(fc.property(some(top), some(inner), (outside, inside) => {
      only({ ...outside, consumer: { ...consumer, ...inside } });
    }));
  });

  it("getters that throw, revoked proxies and circles", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const circle: Record<string, unknown> = {};
    circle.consumer = circle;
    const thrower = {
      get consumer() {
        throw new Error("no");
      },
    };
    for (const input of [proxy, thrower, circle, { consumer: proxy }, beside({ logger: proxy })]) {
      errorOf(input);
    }
  });
});
