import assert from "node:assert/strict";
import fc from "fast-check";
import * as v from "valibot";
import { describe, it } from "#std/testing/bdd";
import { OptionsError } from "../../src/errors.ts";
import {
  deadLetterTopicOf,
  type ResolvedConsumerOptions,
} from "../../src/options/consumer_options.ts";
import {
  parseOrderedConsumerOptions,
  parseParallelConsumerOptions,
} from "../../src/options/parse_consumer_options.ts";

const kafka = { bootstrapServers: "localhost:9092", groupId: "shop.orders", topics: ["orders"] };
const handler = () => {};
const url = new URL("file:///handler.ts");
const withFunction = (extra: object) => ({ ...kafka, handler, ...extra });
const withModule = (extra: object) => ({ ...kafka, handler: url, ...extra });

const parsers = {
  ordered: parseOrderedConsumerOptions,
  parallel: parseParallelConsumerOptions,
};
type Kind = keyof typeof parsers;
const kinds = Object.keys(parsers) as Kind[];

function errorOf(kind: Kind, input: unknown): OptionsError {
  try {
    parsers[kind](input);
  } catch (error) {
    assert.ok(error instanceof OptionsError, `not an OptionsError: ${error}`);
    return error;
  }
  throw new Error("nothing was thrown");
}

const defaults: Omit<
  ResolvedConsumerOptions,
  "kind" | "commit" | "order" | "maxConcurrency" | "batchSize"
> = {
  kafka: {
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
  name: "kafka_consumer.orders",
  handler: {
    kind: "function",
    handle: handler,
    decode: undefined,
    schema: undefined,
    middleware: [],
    retryIf: undefined,
  },
  handlerBatch: undefined,
  delivery: "at-least-once",
  threads: 0,
  onError: {
    retries: 0,
    backoff: { initialMs: 1_000, maxMs: 60_000, factor: 2 },
    then: "stop",
    deadLetterTopic: "{topic}.dead-letter",
  },
  onInvalid: "skip",
  handlerTimeoutMs: 300_000,
  onStuck: "replace",
  restarts: { max: 20, withinMs: 60_000 },
  maxInFlight: { messages: 50_000, bytes: 16_777_216 },
  healthCheck: undefined,
  logger: console,
  logLevel: "info",
  signal: undefined,
  startTimeoutMs: 30_000,
  stopTimeoutMs: 30_000,
  retry: { initialMs: 250, maxMs: 10_000, budgetMs: 300_000 },
};

describe("ordered consumer, options: defaults", () => {
  const parse = parseOrderedConsumerOptions;

  it("with a function", () => {
    assert.deepEqual(parse(withFunction({})), {
      ...defaults,
      kind: "ordered",
      commit: "each",
      order: "partition",
      maxConcurrency: 1,
      batchSize: 1,
    });
  });

  it("with a module: one thread", () => {
    const options = parse(withModule({}));
    assert.deepEqual(options.handler, { kind: "module", module: "file:///handler.ts" });
    assert.equal(options.threads, 1);
  });

  it("batchSize counts only where not each message is committed, and holds a batch", () => {
    const size = (extra: object) => parse(withFunction(extra)).batchSize;
    assert.equal(size({ batchSize: 9 }), 1);
    assert.equal(size({ batchSize: 9, commit: "continuous" }), 9);
    assert.equal(size({ commit: { intervalMs: 5 } }), 1_000);
    assert.equal(size({ commit: "continuous", maxInFlight: { messages: 50 } }), 50);
    assert.equal(size({ handlerBatch: { size: 7 } }), 7);
    assert.equal(size({ handlerBatch: { size: 7 }, batchSize: 9 }), 7);
    assert.equal(size({ handlerBatch: { size: 7 }, batchSize: 9, commit: "continuous" }), 9);
  });
});

describe("parallel consumer, options: defaults", () => {
  const parse = parseParallelConsumerOptions;

  it("with a function", () => {
    assert.deepEqual(parse(withFunction({})), {
      ...defaults,
      kind: "parallel",
      commit: { intervalMs: 5_000 },
      order: "key",
      maxConcurrency: 64,
      batchSize: 1_000,
    });
  });

  it("with a module: the cores are counted where the threads are made", () => {
    assert.equal(parse(withModule({})).threads, undefined);
    assert.equal(parse(withModule({ threads: 3 })).threads, 3);
  });

  it("stay within maxInFlight.messages", () => {
    const options = parse(withFunction({ maxInFlight: { messages: 10 } }));
    assert.equal(options.maxConcurrency, 10);
    assert.equal(options.batchSize, 10);
  });

  it("hold a batch", () => {
    const size = (extra: object) => parse(withFunction(extra)).batchSize;
    assert.equal(size({ handlerBatch: { size: 10 } }), 1_000);
    assert.equal(size({ handlerBatch: { size: 5_000 } }), 5_000);
    assert.equal(size({ handlerBatch: { size: 50 }, maxInFlight: { messages: 50 } }), 50);
  });
});

for (const kind of kinds) {
  const parse = parsers[kind];

  describe(`${kind} consumer, options: allowed`, () => {
    it("everything that belongs to a function", () => {
      const decode = () => 1;
      const schema = v.object({ id: v.number() });
      const middleware = [() => {}, () => {}];
      const retryIf = () => true;
      const healthCheck = () => true;
      const { signal } = new AbortController();
      const logger = { debug() {}, info() {}, warn() {}, error() {} };
      const options = parse(withFunction({
        decode,
        schema,
        middleware,
        retryIf,
        healthCheck,
        signal,
        logger,
        logLevel: "silent",
        handlerBatch: { size: 10_000, waitMs: 3_600_000 },
      }));
      const { handler: resolved } = options;
      assert.ok(resolved.kind === "function");
      assert.equal(resolved.decode, decode);
      assert.equal(resolved.schema, schema);
      assert.equal(resolved.retryIf, retryIf);
      assert.deepEqual(resolved.middleware, middleware);
      assert.notEqual(resolved.middleware, middleware);
      assert.equal(options.healthCheck, healthCheck);
      assert.equal(options.signal, signal);
      assert.equal(options.logger, logger);
      assert.equal(options.logLevel, "silent");
      assert.deepEqual(options.handlerBatch, { size: 10_000, waitMs: 3_600_000 });
    });

    it("everything that belongs to a module", () => {
      const options = parse(withModule({ onStuck: "exit", restarts: { max: 0 } }));
      assert.equal(options.onStuck, "exit");
      assert.deepEqual(options.restarts, { max: 0, withinMs: 60_000 });
    });

    it("schemas that are functions", () => {
      const schema = Object.assign(() => {}, {
        "~standard": { version: 1, vendor: "test", validate: () => ({ value: 1 }) },
      });
      const { handler: resolved } = parse(withFunction({ schema }));
      assert.equal(resolved.kind === "function" && resolved.schema, schema);
    });

    it("waitMs left out: what is there", () => {
      assert.deepEqual(parse(withFunction({ handlerBatch: { size: 5 } })).handlerBatch, {
        size: 5,
        waitMs: 0,
      });
    });

    it("ways to commit", () => {
      const commit = (commit: unknown) => parse(withFunction({ commit })).commit;
      assert.equal(commit("continuous"), "continuous");
      assert.deepEqual(commit({ intervalMs: 1 }), { intervalMs: 1 });
    });

    it("attempts without a limit, and without a wait", () => {
      const onError = { retries: null, backoff: { initialMs: 0, maxMs: 0, factor: 1.5 } };
      const resolved = parse(withFunction({ onError })).onError;
      assert.equal(resolved.retries, null);
      assert.deepEqual(resolved.backoff, { initialMs: 0, maxMs: 0, factor: 1.5 });
    });

    it("a topic for the dead letters of onInvalid alone", () => {
      const onError = { deadLetterTopic: "trash" };
      const options = parse(withFunction({ onInvalid: "dead-letter", onError }));
      assert.equal(options.onError.deadLetterTopic, "trash");
      assert.equal(options.onError.then, "stop");
    });

    it("inline polling", () => {
      assert.equal(parse(withFunction({ thread: "inline" })).kafka.thread, "inline");
    });

    it("names: strict", () => {
      const name = (extra: object) => parse(withFunction(extra)).name;
      assert.equal(name({ groupId: "shop.orders.eu" }), "kafka_consumer.orders.eu");
      assert.equal(
        name({ groupId: "shop.orders.eu", name: "kafka_consumer.orders.eu" }),
        "kafka_consumer.orders.eu",
      );
    });

    it("names: free", () => {
      const name = (extra: object) => parse(withFunction({ naming: "free", ...extra })).name;
      assert.equal(name({}), "kafka_consumer.shop.orders");
      assert.equal(name({ groupId: "x" }), "kafka_consumer.x");
      assert.equal(name({ groupId: ".", name: "me" }), "me");
    });

    it("options that can be cloned to a thread, but for what stays on the program's", () => {
      const { handlerBatch, batchSize, commit, onError, onInvalid, restarts, maxInFlight, retry } =
        parse(withModule({}));
      structuredClone([
        handlerBatch,
        batchSize,
        commit,
        onError,
        onInvalid,
        restarts,
        maxInFlight,
        retry,
      ]);
    });
  });
}

const int = (min: number, max: number, unit = "milliseconds") =>
  `an integer from ${min} to ${max} (${unit})`;
const MAX_MS = 2_147_483_647;
const HOUR_MS = 3_600_000;
const URL_OBJECT = 'new URL("./handler.ts", import.meta.url)';
const aHandler = `a function, or the URL object of a module: ${URL_OBJECT}`;
const aTopic =
  "a topic name of 1 to 249 letters, digits, dots, underscores and hyphens, in which " +
  "{topic} stands for the topic of the message";
const aSchema =
  'a Standard Schema of version 1 ("~standard"), such as those of valibot, zod and arktype';
const aMiddleware = "a function async (context, next) => …";
const noModule =
  "left out, because handler is a function, which runs on the program's own thread; " +
  `handler threads run modules: ${URL_OBJECT}`;
const exported = (name: string) =>
  `left out, because handler is a URL: export const ${name} from the module of the handler`;
const retries = `${int(0, 1_000_000, "attempts after the first")}, or null: no limit`;
const aGroup = '"{service}.{group}", such as "shop.orders", or any text with naming: "free"';
const aName = '"kafka_consumer.orders", as groupId says, or any text with naming: "free"';
const unsent =
  'left out, because neither onError.then nor onInvalid is "dead-letter", so nothing is sent to it';
const long = "x".repeat(240);

// Given options; the one option that is wrong; how its value is printed; what is expected.
type Wrong = readonly [unknown, string, string, string];
const wrongInBoth: readonly Wrong[] = [
  [undefined, "", "undefined", "an object"],
  [null, "", "null", "an object"],
  [handler, "", "a function", "an object"],

  [withFunction({ topics: [] }), "topics", "[]", "a list of one or more topic names"],
  [withFunction({ thread: "none" }), "thread", '"none"', '"worker" or "inline"'],
  [
    withFunction({ heartbeatIntervalMs: 10_000 }),
    "heartbeatIntervalMs",
    "10000",
    "less than sessionTimeoutMs, which is 10000",
  ],

  [withFunction({ naming: "loose" }), "naming", '"loose"', '"strict" or "free"'],
  [withFunction({ naming: true }), "naming", "true", '"strict" or "free"'],
  [withFunction({ groupId: "orders" }), "groupId", '"orders"', aGroup],
  [withFunction({ groupId: ".orders" }), "groupId", '".orders"', aGroup],
  [withFunction({ groupId: "shop." }), "groupId", '"shop."', aGroup],
  [withFunction({ groupId: "shop. " }), "groupId", '"shop. "', aGroup],
  [withFunction({ groupId: "shop", name: "x" }), "groupId", '"shop"', aGroup],
  [withFunction({ name: "orders" }), "name", '"orders"', aName],
  [
    withFunction({ name: "kafka_consumer.shop.orders" }),
    "name",
    '"kafka_consumer.shop.orders"',
    aName,
  ],
  [withFunction({ name: "" }), "name", '""', "text of 1 to 255 characters that is not blank"],
  [withFunction({ name: 5 }), "name", "5", "text of 1 to 255 characters that is not blank"],

  [withFunction({ handler: undefined }), "handler", "undefined", aHandler],
  [withFunction({ handler: null }), "handler", "null", aHandler],
  [withFunction({ handler: {} }), "handler", "{}", aHandler],
  [
    withFunction({ handler: "./handler.ts" }),
    "handler",
    '"./handler.ts"',
    `a URL object: ${URL_OBJECT}`,
  ],
  [withFunction({ handlerBatch: true }), "handlerBatch", "true", "an object { size, waitMs }"],
  [withFunction({ handlerBatch: 10 }), "handlerBatch", "10", "an object { size, waitMs }"],
  [
    withFunction({ handlerBatch: {} }),
    "handlerBatch.size",
    "undefined",
    int(1, 10_000, "messages"),
  ],
  [
    withFunction({ handlerBatch: { size: 0 } }),
    "handlerBatch.size",
    "0",
    int(1, 10_000, "messages"),
  ],
  [
    withFunction({ handlerBatch: { size: 10_001 } }),
    "handlerBatch.size",
    "10001",
    int(1, 10_000, "messages"),
  ],
  [
    withFunction({ handlerBatch: { size: 20 }, maxInFlight: { messages: 19 } }),
    "handlerBatch.size",
    "20",
    "at most maxInFlight.messages, which is 19",
  ],
  [
    withFunction({ handlerBatch: { size: 1, waitMs: -1 } }),
    "handlerBatch.waitMs",
    "-1",
    int(0, HOUR_MS),
  ],
  [
    withFunction({ handlerBatch: { size: 1, waitMs: "1s" } }),
    "handlerBatch.waitMs",
    '"1s"',
    int(0, HOUR_MS),
  ],
  [withFunction({ decode: "json" }), "decode", '"json"', "a function (bytes, message) => data"],
  [withFunction({ decode: null }), "decode", "null", "a function (bytes, message) => data"],
  [withModule({ decode: () => 1 }), "decode", "a function", exported("decode")],
  [withFunction({ schema: {} }), "schema", "{}", aSchema],
  [withFunction({ schema: (value: unknown) => value }), "schema", "a function", aSchema],
  [
    withFunction({ schema: { "~standard": { version: 2, vendor: "x", validate() {} } } }),
    "schema",
    '{ ~standard: { version: 2, vendor: "x", validate: a function } }',
    aSchema,
  ],
  [
    withFunction({ schema: { "~standard": { version: 1, vendor: "x" } } }),
    "schema",
    '{ ~standard: { version: 1, vendor: "x" } }',
    aSchema,
  ],
  [
    withModule({ schema: { "~standard": { version: 1, vendor: "x", validate() {} } } }),
    "schema",
    '{ ~standard: { version: 1, vendor: "x", validate: a function } }',
    exported("schema"),
  ],
  [
    withFunction({ middleware: () => {} }),
    "middleware",
    "a function",
    `a list of functions, each ${aMiddleware}`,
  ],
  [withFunction({ middleware: [() => {}, "x"] }), "middleware[1]", '"x"', aMiddleware],
  [withModule({ middleware: [] }), "middleware", "[]", exported("middleware")],
  [withFunction({ retryIf: true }), "retryIf", "true", "a function (error, message) => boolean"],
  [withModule({ retryIf: () => true }), "retryIf", "a function", exported("retryIf")],

  [withFunction({ batchSize: 0 }), "batchSize", "0", int(1, 100_000, "messages")],
  [withFunction({ batchSize: 1.5 }), "batchSize", "1.5", int(1, 100_000, "messages")],
  [withFunction({ batchSize: "10" }), "batchSize", '"10"', int(1, 100_000, "messages")],
  [
    withFunction({ batchSize: 20, maxInFlight: { messages: 19 } }),
    "batchSize",
    "20",
    "at most maxInFlight.messages, which is 19",
  ],
  [
    withFunction({ batchSize: 9, handlerBatch: { size: 10 } }),
    "batchSize",
    "9",
    "at least handlerBatch.size, which is 10",
  ],

  [withFunction({ commit: {} }), "commit.intervalMs", "undefined", int(1, HOUR_MS)],
  [withFunction({ commit: { intervalMs: 0 } }), "commit.intervalMs", "0", int(1, HOUR_MS)],
  [withFunction({ commit: { intervalMs: null } }), "commit.intervalMs", "null", int(1, HOUR_MS)],

  [
    withFunction({ onError: "skip" }),
    "onError",
    '"skip"',
    "an object { retries, backoff, then, deadLetterTopic }",
  ],
  [withFunction({ onError: { retries: -1 } }), "onError.retries", "-1", retries],
  [withFunction({ onError: { retries: Infinity } }), "onError.retries", "Infinity", retries],
  [withFunction({ onError: { retries: 1_000_001 } }), "onError.retries", "1000001", retries],
  [
    withFunction({ onError: { backoff: 1_000 } }),
    "onError.backoff",
    "1000",
    "an object { initialMs, maxMs, factor }",
  ],
  [
    withFunction({ onError: { backoff: { initialMs: -1 } } }),
    "onError.backoff.initialMs",
    "-1",
    int(0, HOUR_MS),
  ],
  [
    withFunction({ onError: { backoff: { initialMs: 3, maxMs: 2 } } }),
    "onError.backoff.initialMs",
    "3",
    "at most maxMs, which is 2",
  ],
  [
    withFunction({ onError: { backoff: { maxMs: HOUR_MS + 1 } } }),
    "onError.backoff.maxMs",
    "3600001",
    int(0, HOUR_MS),
  ],
  ...[0.9, 101, NaN, "2"].map((factor): Wrong => [
    withFunction({ onError: { backoff: { factor } } }),
    "onError.backoff.factor",
    JSON.stringify(factor)?.replace("null", "NaN"),
    "a number from 1 to 100",
  ]),
  [
    withFunction({ onError: { then: "dead_letter" } }),
    "onError.then",
    '"dead_letter"',
    '"stop" or "skip" or "dead-letter"',
  ],
  [
    withFunction({ onError: { then: null } }),
    "onError.then",
    "null",
    '"stop" or "skip" or "dead-letter"',
  ],
  ...["", "a b", "{topik}.x", "{topic}/x", "..", 5, null].map((deadLetterTopic): Wrong => [
    withFunction({ onError: { then: "dead-letter", deadLetterTopic } }),
    "onError.deadLetterTopic",
    JSON.stringify(deadLetterTopic),
    aTopic,
  ]),
  [
    withFunction({ onError: { deadLetterTopic: "trash" } }),
    "onError.deadLetterTopic",
    '"trash"',
    unsent,
  ],
  [
    withFunction({ onError: { then: "dead-letter", deadLetterTopic: "{topic}" } }),
    "onError.deadLetterTopic",
    '"{topic}"',
    'a topic that is not consumed here, unlike "orders", where "{topic}" sends the dead letters of ' +
    '"orders"',
  ],
  [
    withFunction({
      topics: ["a", "b"],
      onInvalid: "dead-letter",
      onError: { deadLetterTopic: "b" },
    }),
    "onError.deadLetterTopic",
    '"b"',
    'a topic that is not consumed here, unlike "b", where "b" sends the dead letters of "a"',
  ],
  [
    withFunction({ topics: ["a.dead-letter", "a"], onError: { then: "dead-letter" } }),
    "onError.deadLetterTopic",
    "undefined",
    'a topic that is not consumed here, unlike "a.dead-letter", where "{topic}.dead-letter" sends ' +
    'the dead letters of "a"',
  ],
  [
    withFunction({ topics: [long], onError: { then: "dead-letter" } }),
    "onError.deadLetterTopic",
    "undefined",
    `what makes a topic name of at most 249 characters, unlike "{topic}.dead-letter" for "${long}"`,
  ],
  [
    withFunction({ onInvalid: "ignore" }),
    "onInvalid",
    '"ignore"',
    '"skip" or "stop" or "dead-letter"',
  ],
  [withFunction({ onInvalid: false }), "onInvalid", "false", '"skip" or "stop" or "dead-letter"'],

  [withFunction({ handlerTimeoutMs: 0 }), "handlerTimeoutMs", "0", int(1, MAX_MS)],
  [withFunction({ handlerTimeoutMs: null }), "handlerTimeoutMs", "null", int(1, MAX_MS)],
  [withFunction({ stopTimeoutMs: 2 ** 31 }), "stopTimeoutMs", "2147483648", int(1, MAX_MS)],
  [withFunction({ startTimeoutMs: "30s" }), "startTimeoutMs", '"30s"', int(1, MAX_MS)],
  [
    withFunction({ maxInFlight: { messages: 10_000_001 } }),
    "maxInFlight.messages",
    "10000001",
    int(1, 10_000_000, "messages"),
  ],
  [
    withFunction({ maxInFlight: { bytes: 0 } }),
    "maxInFlight.bytes",
    "0",
    int(1, 4_294_967_296, "bytes"),
  ],
  [withModule({ onStuck: "kill" }), "onStuck", '"kill"', '"replace" or "exit"'],
  [withFunction({ onStuck: "exit" }), "onStuck", '"exit"', noModule],
  [withModule({ restarts: 5 }), "restarts", "5", "an object { max, withinMs }"],
  [withModule({ restarts: { max: -1 } }), "restarts.max", "-1", int(0, 10_000, "replacements")],
  [withModule({ restarts: { withinMs: 0 } }), "restarts.withinMs", "0", int(1, MAX_MS)],
  [
    withFunction({ restarts: { max: 1 } }),
    "restarts",
    "{ max: 1, withinMs: 60000 }",
    noModule,
  ],
  [
    withFunction({ healthCheck: true }),
    "healthCheck",
    "true",
    "a function () => boolean or a promise of one",
  ],
  [
    withFunction({ logger: () => {} }),
    "logger",
    "a function",
    "an object with the methods debug, info, warn and error, such as console",
  ],
  [
    withFunction({ logLevel: "verbose" }),
    "logLevel",
    '"verbose"',
    '"debug" or "info" or "warn" or "error" or "silent"',
  ],
  [withFunction({ signal: true }), "signal", "true", "an AbortSignal"],
  [
    withFunction({ retry: { budgetMs: 0 } }),
    "retry.budgetMs",
    "0",
    `${int(1, MAX_MS)}, or null: for ever`,
  ],
];

const aCommit = '"each" or "continuous" or an object { intervalMs }';
const onlyOne = "left out: an ordered consumer handles one message at a time, unlike those of " +
  "createParallelConsumer";
const wrongInOrdered: readonly Wrong[] = [
  [withFunction({ commit: "auto" }), "commit", '"auto"', aCommit],
  [withFunction({ commit: 5_000 }), "commit", "5000", aCommit],
  [withFunction({ commit: null }), "commit", "null", aCommit],
  [withFunction({ maxConcurrency: 2 }), "maxConcurrency", "2", onlyOne],
  [withFunction({ concurrency: 2 }), "concurrency", "2", onlyOne],
  [withModule({ threads: 2 }), "threads", "2", onlyOne],
  [withFunction({ order: "key" }), "order", '"key"', onlyOne],
  [withFunction({ delivery: "interval" }), "delivery", '"interval"', onlyOne],
];

const aParallelCommit =
  '"continuous" or an object { intervalMs } ("each" is for createOrderedConsumer)';
const wrongInParallel: readonly Wrong[] = [
  [withFunction({ commit: "each" }), "commit", '"each"', aParallelCommit],
  [withFunction({ commit: true }), "commit", "true", aParallelCommit],
  [
    withFunction({ maxConcurrency: 0 }),
    "maxConcurrency",
    "0",
    int(1, 100_000, "calls of the handler"),
  ],
  [
    withFunction({ maxConcurrency: 100_001 }),
    "maxConcurrency",
    "100001",
    int(1, 100_000, "calls of the handler"),
  ],
  [
    withFunction({ maxConcurrency: 11, maxInFlight: { messages: 10 } }),
    "maxConcurrency",
    "11",
    "at most maxInFlight.messages, which is 10",
  ],
  [withModule({ threads: 0 }), "threads", "0", int(1, 256, "threads")],
  [withModule({ threads: 257 }), "threads", "257", int(1, 256, "threads")],
  [withFunction({ threads: 2 }), "threads", "2", noModule],
  [
    withModule({ threads: 5, maxConcurrency: 4 }),
    "threads",
    "5",
    "at most maxConcurrency, which is 4",
  ],
  [withModule({ threads: 65 }), "threads", "65", "at most maxConcurrency, which is 64"],
  [withFunction({ order: "value" }), "order", '"value"', '"key" or "partition" or "none"'],
  [withFunction({ order: null }), "order", "null", '"key" or "partition" or "none"'],
  [
    withFunction({ delivery: "exactly-once" }),
    "delivery",
    '"exactly-once"',
    '"at-least-once" or "interval"',
  ],
  [
    withFunction({ delivery: "interval", commit: "continuous" }),
    "commit",
    '"continuous"',
    'an object { intervalMs }, because delivery is "interval"',
  ],
];

for (const kind of kinds) {
  describe(`${kind} consumer, options: refused`, () => {
    const own = kind === "ordered" ? wrongInOrdered : wrongInParallel;
    for (const [input, option, value, expected] of [...wrongInBoth, ...own]) {
      it(`${option || "all"} = ${value}, expected ${expected}`, () => {
        const error = errorOf(kind, input);
        assert.deepEqual(error.issues, [{ option, value, expected }]);
        assert.ok(error.message.includes(option) && error.message.includes(`${value}, expected`));
        assert.equal(error.code, "INVALID_OPTIONS");
      });
    }

    it("several wrong options, all at once", () => {
      const error = errorOf(kind, {
        ...kafka,
        topics: ["a b"],
        groupId: "shop",
        handler: url,
        decode: 1,
        schema: v.string(),
        batchSize: 30,
        maxInFlight: { messages: 20 },
        onError: { retries: "many", backoff: { factor: 0 } },
        onInvalid: "cry",
        colour: "red",
      });
      assert.deepEqual(error.issues.map((issue) => issue.option), [
        "topics[0]",
        "decode",
        "onError.retries",
        "onError.backoff.factor",
        "onInvalid",
        "colour",
        "groupId",
        "schema",
        "batchSize",
      ]);
      assert.equal(error.message.split("\n").length, 1 + error.issues.length);
    });

    it("secrets without printing them", () => {
      const secret = "hunter2";
      const error = errorOf(kind, {
        ...kafka,
        handler,
        password: secret,
        sasl: { mechanism: "plain", username: "u", pass: secret },
        onError: [{ token: secret }],
      });
      assert.ok(!`${error.message}${JSON.stringify(error)}`.includes(secret), error.message);
    });

    it("the options of a ThreadManager's connection in an object", () => {
      const issues = errorOf(kind, { consumer: kafka, handler }).issues;
      assert.deepEqual(issues.at(-1), {
        option: "consumer",
        value: issues.at(-1)?.value,
        expected:
          "left out: the options of the connection stand beside the others, not in an object",
      });
    });
  });

  describe(`${kind} consumer, options: suggested`, () => {
    const suggestions: readonly [string, string][] = [
      ["brokers", "bootstrapServers"],
      ["fromBeginning", "startFrom"],
      ["eachMessage", "handler"],
      ["onMessage", "handler"],
      ["handlerFn", "handler"],
      ["handler_fn", "handler"],
      ["eachBatch", "handlerBatch"],
      ["maxInflight", "maxInFlight"],
      ["autoCommit", "commit"],
      ["autoCommitInterval", "commit.intervalMs"],
      ["batch_size", "batchSize"],
      ["deadLetter", "onError.deadLetterTopic"],
      ["deadLetterTopic", "onError.deadLetterTopic"],
      ["dlq", "onError.deadLetterTopic"],
      ["retries", "onError.retries"],
      ["deserializer", "decode"],
      ["validator", "schema"],
      ["middlewares", "middleware"],
      ["health_check_fn", "healthCheck"],
      ["handlerTimeout", "handlerTimeoutMs"],
      ["stopTimeout", "stopTimeoutMs"],
      ...(kind === "ordered" ? [] : [
        ["concurrency", "maxConcurrency"],
        ["partitionsConsumedConcurrently", "maxConcurrency"],
        ["processingOrder", "order"],
        ["workerThreads", "threads"],
      ] as const).map(([from, to]): [string, string] => [from, to]),
    ];
    for (const [name, suggestion] of suggestions) {
      it(`${suggestion} for ${name}`, () => {
        const issue = errorOf(kind, withFunction({ [name]: 1 })).issues[0];
        assert.equal(issue?.option, name);
        assert.equal(issue.expected, `a known option; did you mean "${suggestion}"?`);
      });
    }

    it("names inside of objects", () => {
      const error = errorOf(
        kind,
        withFunction({ handlerBatch: { size: 1, wait: 1 }, onError: { maxRetries: 1 } }),
      );
      assert.deepEqual(error.issues.map(({ option, expected }) => [option, expected]), [
        ["handlerBatch.wait", 'a known option; did you mean "waitMs"?'],
        ["onError.maxRetries", 'a known option; did you mean "retries"?'],
      ]);
    });
  });

  describe(`${kind} consumer, options: whatever is given`, () => {
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
        parsers[kind](input);
      } catch (error) {
        assert.ok(error instanceof OptionsError, `not an OptionsError: ${error}`);
        assert.ok(error.issues.length > 0);
      }
    };
    const { kafka: inner, ...outer } = parsers[kind](withFunction({}));
    const names = [...Object.keys(inner), ...Object.keys(outer)].filter((name) => name !== "kind");
    const some = (names: string[]) => fc.dictionary(fc.constantFrom(...names), anything);

    it("anything", () => fc.assert(fc.property(anything, only)));

    it("anything at any option", () => {
      fc.assert(fc.property(
        some([...names, "naming", "decode", "schema", "middleware", "retryIf"]),
        fc.boolean(),
        (extra, isModule) => only(isModule ? withModule(extra) : withFunction(extra)),
      ));
    });

    it("anything inside of the options that are objects", () => {
      fc.assert(fc.property(
        some(["retries", "backoff", "then", "deadLetterTopic"]),
        some(["initialMs", "maxMs", "factor"]),
        some(["size", "waitMs"]),
        some(["max", "withinMs"]),
        (policy, backoff, handlerBatch, restarts) =>
          only(withModule({ onError: { backoff, ...policy }, handlerBatch, restarts })),
      ));
    });

    it("getters that throw, revoked proxies, and schemas that cannot be read", () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      const thrower = {
        get "~standard"() {
          throw new Error("no");
        },
      };
      for (const option of ["handler", "schema", "onError", "handlerBatch", "restarts", "logger"]) {
        errorOf(kind, withFunction({ [option]: proxy }));
      }
      assert.equal(errorOf(kind, withFunction({ schema: thrower })).issues[0]?.option, "schema");
    });
  });
}

describe("deadLetterTopicOf()", () => {
  it("puts the topic in wherever it belongs, as it is", () => {
    assert.equal(deadLetterTopicOf("{topic}.dead-letter", "orders"), "orders.dead-letter");
    assert.equal(deadLetterTopicOf("{topic}-{topic}", "$&"), "$&-$&");
    assert.equal(deadLetterTopicOf("trash", "orders"), "trash");
  });
});
