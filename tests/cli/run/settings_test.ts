import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { after, before, describe, it } from "#std/testing/bdd";
import { givenFlags, runCommand } from "../../../src/cli/run/command.ts";
import type { Prepared } from "../../../src/cli/run/run_options.ts";
import {
  calledIn,
  comesFrom,
  SETTINGS,
  type Source,
  SOURCES,
} from "../../../src/cli/run/settings.ts";
import { chooseFrom, fileOf, FOLDER, NEEDED, prepareFrom } from "./shared.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

/** What a setting is given, where it arrives, and as what. */
interface Sample {
  /** What is given; a list of switches is their flags. */
  given: string | boolean;
  /** Where it arrives in the options. */
  at: string;
  /** As what. */
  as: unknown;
  /** What it needs beside itself. */
  beside?: Record<string, string | boolean>;
}

const sample = (
  given: string | boolean,
  at: string,
  as: unknown,
  beside: Record<string, string | boolean> = {},
): Sample => ({ given, at, as, beside });

const plain = { "sasl-mechanism": "plain", "sasl-username": "ann" };

/** One for each setting. */
const SAMPLES: Readonly<Record<string, Sample>> = {
  handler: sample("handler.ts", "consumer.handler.module", module("handler.ts")),
  config: sample("config.yaml", "own.config", "config.yaml"),
  instrumentation: sample(
    "handler.ts",
    "consumer.kafka.instrumentation",
    new URL(module("handler.ts")),
  ),
  bootstrap: sample("a:1,b:2", "consumer.kafka.bootstrapServers", [
    { host: "a", port: 1 },
    { host: "b", port: 2 },
  ]),
  group: sample("shop.mails", "consumer.kafka.groupId", "shop.mails"),
  topics: sample("a, b", "consumer.kafka.topics", ["a", "b"]),
  "start-from": sample("earliest", "consumer.kafka.startFrom", "earliest"),
  name: sample("mine", "consumer.name", "mine", { naming: "free" }),
  naming: sample("free", "consumer.name", "kafka_consumer.shop", { group: "shop" }),
  "client-id": sample("me", "consumer.kafka.clientId", "me"),
  "session-timeout": sample("1m", "consumer.kafka.sessionTimeoutMs", 60_000),
  "heartbeat-interval": sample("250", "consumer.kafka.heartbeatIntervalMs", 250),
  driver: sample("handler.ts", "consumer.kafka.driver", new URL(module("handler.ts"))),
  "driver-options": sample('{"a":[1]}', "consumer.kafka.driverOptions", { a: [1] }),
  ssl: sample(true, "consumer.kafka.ssl", true),
  "ssl-ca": sample("pem", "consumer.kafka.ssl.ca", [PEM]),
  "ssl-cert": sample("pem", "consumer.kafka.ssl.cert", PEM, { "ssl-key": "pem" }),
  "ssl-key": sample("pem", "consumer.kafka.ssl.key", PEM, { "ssl-cert": "pem" }),
  "ssl-servername": sample("k", "consumer.kafka.ssl.servername", "k"),
  "ssl-insecure": sample(true, "consumer.kafka.ssl.rejectUnauthorized", false),
  "sasl-mechanism": sample("scram-sha-256", "consumer.kafka.sasl.mechanism", "scram-sha-256", {
    "sasl-username": "ann",
    "sasl-password-file": "secret",
  }),
  "sasl-username": sample("eve", "consumer.kafka.sasl.username", "eve", {
    ...plain,
    "sasl-password-file": "secret",
  }),
  "sasl-password": sample("xyz", "consumer.kafka.sasl.password", "xyz", plain),
  "sasl-password-file": sample("secret", "consumer.kafka.sasl.password", "s3cr3t", plain),
  "sasl-token-file": sample("secret", "consumer.kafka.sasl.mechanism", "oauthbearer", {
    "sasl-mechanism": "oauthbearer",
  }),
  ordered: sample(true, "consumer.kind", "ordered"),
  order: sample("none", "consumer.order", "none"),
  concurrency: sample("7", "consumer.maxConcurrency", 7),
  threads: sample("3", "consumer.threads", 3),
  commit: sample("2s", "consumer.commit", { intervalMs: 2_000 }),
  delivery: sample("interval", "consumer.delivery", "interval"),
  "batch-size": sample("9", "consumer.batchSize", 9),
  "handler-batch-size": sample("5", "consumer.handlerBatch.size", 5),
  "handler-batch-wait": sample("1.5s", "consumer.handlerBatch.waitMs", 1_500, {
    "handler-batch-size": "5",
  }),
  "max-in-flight-messages": sample("100", "consumer.maxInFlight.messages", 100),
  "max-in-flight-bytes": sample("2MiB", "consumer.maxInFlight.bytes", 2_097_152),
  retries: sample("unlimited", "consumer.onError.retries", null),
  backoff: sample("10ms", "consumer.onError.backoff.initialMs", 10),
  "backoff-max": sample("1h", "consumer.onError.backoff.maxMs", 3_600_000),
  "backoff-factor": sample("1.5", "consumer.onError.backoff.factor", 1.5),
  "on-error": sample("skip", "consumer.onError.then", "skip"),
  "dead-letter-topic": sample("dead", "consumer.onError.deadLetterTopic", "dead", {
    "on-error": "dead-letter",
  }),
  "on-invalid": sample("stop", "consumer.onInvalid", "stop"),
  "handler-timeout": sample("10s", "consumer.handlerTimeoutMs", 10_000),
  "on-stuck": sample("exit", "consumer.onStuck", "exit"),
  restarts: sample("2", "consumer.restarts.max", 2),
  "restarts-within": sample("5s", "consumer.restarts.withinMs", 5_000),
  "poll-backoff": sample("5ms", "consumer.retry.initialMs", 5),
  "poll-backoff-max": sample("5s", "consumer.retry.maxMs", 5_000),
  "poll-budget": sample("unlimited", "consumer.retry.budgetMs", null),
  "start-timeout": sample("5s", "consumer.startTimeoutMs", 5_000),
  "stop-timeout": sample("6s", "consumer.stopTimeoutMs", 6_000),
  server: sample(false, "own.server", false),
  port: sample("0", "own.port", 0),
  hostname: sample("::", "own.hostname", "::"),
  metrics: sample(false, "own.metrics", false),
  "expose-errors": sample(true, "own.exposeErrors", true),
  "log-level": sample("debug", "consumer.logLevel", "debug"),
  "log-format": sample("text", "own.logFormat", "text"),
  "progress-interval": sample("0", "own.progressIntervalMs", 0),
};

/** Options of consumers that the command cannot give, and why. */
const NOT_HERE: Readonly<Record<string, string>> = {
  decode: "exported by the handler's module",
  schema: "exported by the handler's module",
  middleware: "exported by the handler's module",
  retryIf: "exported by the handler's module",
  healthCheck: "a function",
  logger: "log-format",
  signal: "there are signals of the system",
  workers: "for bundlers",
  thread: "for hosts without threads",
};

/** Defaults that are not given in the form that they are read in. */
const IN_WORDS: ReadonlySet<string> = new Set([
  "name",
  "naming",
  "ssl-ca",
  "ssl-servername",
  "threads",
  "commit",
  "handler-batch-size",
  "handler-batch-wait",
  "ssl-insecure",
]);

function module(file: string): string {
  return pathToFileURL(join(FOLDER, file)).href;
}

function at(prepared: Prepared, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => Object(value)[key], prepared);
}

/** The same settings as they are given in a place. */
function givenIn(source: Source, values: Record<string, unknown>) {
  if (source === "flag") return { flags: values };
  if (source === "file") return { file: fileOf(values) };
  const entries = Object.entries(values).map(([name, value]) => {
    const setting = SETTINGS.find((setting) => setting.name === name)!;
    return [calledIn(setting, "variable"), String(value)];
  });
  return { variables: Object.fromEntries(entries) };
}

/** The names of the properties of interfaces, by the text of their source. */
async function propertiesOf(path: string, ...interfaces: string[]): Promise<string[]> {
  const source = await readFile(new URL(`../../../${path}`, import.meta.url), "utf8");
  return interfaces.flatMap((name) => {
    const body = new RegExp(`^export interface ${name}\\b.*?^}`, "ms").exec(source)![0];
    return Array.from(body.matchAll(/^ {2}(\w+)\??:/gm), ([, name]) => name!);
  });
}

describe("settings of kafka-threads run", () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kafka-threads-settings-"));
    await writeFile(join(folder, "pem"), PEM);
    await writeFile(join(folder, "secret"), "s3cr3t\n");
    await writeFile(join(folder, "handler.ts"), "");
  });
  after(() => rm(folder, { recursive: true }));

  it("have a name, a flag and a variable of their own, and nothing is forgotten here", () => {
    for (const source of SOURCES) {
      const names = SETTINGS.map((setting) => calledIn(setting, source));
      assert.equal(new Set(names).size, names.length, source);
    }
    assert.deepEqual(Object.keys(SAMPLES), SETTINGS.map(({ name }) => name));
  });

  for (const setting of SETTINGS) {
    const { name } = setting;
    const sources = SOURCES.filter((source) => comesFrom(setting, source));
    it(`${name} reaches what it is for, from ${sources.join(" and ")}`, async () => {
      const { given, at: path, as, beside } = SAMPLES[name]!;
      const absolute = (values: Record<string, unknown>) =>
        Object.fromEntries(
          Object.entries(values).map(([name, value]) => [
            name,
            value === "pem" || value === "secret" ? join(folder, value) : value,
          ]),
        );
      const needed = { ...NEEDED, ...absolute(beside ?? {}) };
      delete needed[name];
      const [value] = Object.values(absolute({ [name]: given }));
      for (const source of sources) {
        // What it needs comes from where it is weaker, or as strong.
        const rest = givenIn(source === "flag" ? "file" : source, needed);
        const own = givenIn(source, { [name]: value });
        const all = source === "flag" ? { ...rest, ...own } : givenIn(source, {
          ...needed,
          [name]: value,
        });
        const prepared = await prepareFrom(all);
        assert.deepEqual(at(prepared, path), as, source);
        const without = await prepareFrom(rest).catch(() => null);
        if (without !== null) assert.notDeepEqual(at(without, path), as, "it makes a difference");
      }
    });
  }

  it("cover all options of the consumers, but for those that the command cannot give", async () => {
    const path = "src/options/consumer_options.ts";
    const options = [
      ...await propertiesOf(
        path,
        "ConsumerOptions",
        "OrderedOptions",
        "ParallelOptions",
        "SchemaOptions",
        "BatchHandlerOptions",
      ),
      ...await propertiesOf("src/options/kafka_options.ts", "KafkaOptions"),
    ];
    const set = new Set(SETTINGS.map(({ option }) => option.split(".")[0]!));
    set.delete("run");
    assert.deepEqual(
      [...set, ...Object.keys(NOT_HERE)].toSorted(),
      [...new Set(options)].toSorted(),
    );
  });

  it("have the defaults that they say they have", async () => {
    const { consumer, own } = await prepareFrom({ flags: NEEDED });
    const whole = { consumer: { ...consumer, ...consumer.kafka }, own } as unknown as Prepared;
    for (const { name, fallback, read, option } of SETTINGS) {
      if (fallback === undefined || IN_WORDS.has(name)) continue;
      const path = option.startsWith("run.")
        ? option.replace("run.", "own.")
        : `consumer.${option}`;
      assert.deepEqual(at(whole, path), await read(fallback, FOLDER), name);
    }
    assert.deepEqual(consumer.commit, { intervalMs: 5_000 });
    assert.equal(consumer.handlerBatch, undefined);
    assert.equal(consumer.name, "kafka_consumer.orders");
    const ordered = await prepareFrom({ flags: { ...NEEDED, ordered: true } });
    assert.equal(ordered.consumer.commit, "each");
    const batches = await prepareFrom({ flags: { ...NEEDED, "handler-batch-size": "5" } });
    assert.equal(batches.consumer.handlerBatch?.waitMs, 0);
  });

  it("come from flags rather than variables, and from these rather than the file", () => {
    const values = fc.record(
      Object.fromEntries(SOURCES.map((source) => [source, fc.stringMatching(/^[a-z]{1,9}$/)])),
      { requiredKeys: [] },
    );
    const settings = SETTINGS.filter(({ sources }) => sources === undefined);
    const given = fc.dictionary(fc.constantFrom(...settings.map(({ name }) => name)), values);
    fc.assert(fc.property(given, (given) => {
      const everything = Object.fromEntries(
        SOURCES.flatMap((source) =>
          Object.entries(givenIn(
            source,
            Object.fromEntries(
              Object.entries(given).filter(([, values]) => source in values)
                .map(([name, values]) => [name, values[source]]),
            ),
          ))
        ),
      );
      const { chosen, problems, warnings } = chooseFrom(everything);
      assert.deepEqual([...problems, ...warnings], []);
      for (const { name } of settings) {
        const source = SOURCES.find((source) => given[name]?.[source] !== undefined);
        const taken = chosen.get(name);
        assert.equal(taken?.given, source && given[name]![source]);
        if (source === undefined) continue;
        const origins = { flag: /^(--|HANDLER)/, variable: /^KAFKA_/, file: / in config.yaml$/ };
        assert.match(taken!.origin, origins[source]);
      }
    }));
  });

  it("take an empty variable, and a key without a value, as left out", () => {
    const { chosen } = chooseFrom({
      variables: { KAFKA_THREADS_GROUP: "" },
      file: fileOf({ group: "shop.file", topics: null }),
    });
    assert.equal(chosen.get("group")?.given, "shop.file");
    assert.equal(chosen.get("topics"), undefined);
  });

  it("take the values of YAML as they are", async () => {
    const { consumer, own } = await prepareFrom({
      file: fileOf({
        ...NEEDED,
        bootstrap: ["a:1", "b:2"],
        topics: ["orders", "mails"],
        retries: 3,
        commit: 250,
        "stop-timeout": 5_000,
        ssl: true,
        "driver-options": { a: 1 },
        server: false,
      }),
    });
    assert.deepEqual(consumer.kafka.topics, ["orders", "mails"]);
    assert.equal(consumer.kafka.bootstrapServers.length, 2);
    assert.equal(consumer.onError.retries, 3);
    assert.deepEqual(consumer.commit, { intervalMs: 250 });
    assert.equal(consumer.stopTimeoutMs, 5_000);
    assert.equal(consumer.kafka.ssl, true);
    assert.deepEqual(consumer.kafka.driverOptions, { a: 1 });
    assert.equal(own.server, false);
  });

  it("read the token again each time", async () => {
    const path = join(folder, "token");
    await writeFile(path, "first\n");
    const { consumer: { kafka: { sasl } } } = await prepareFrom({
      flags: { ...NEEDED, "sasl-mechanism": "oauthbearer", "sasl-token-file": path },
    });
    assert.ok(sasl?.mechanism === "oauthbearer");
    assert.equal(await sasl.token(), "first");
    await writeFile(path, "second");
    assert.equal(await sasl.token(), "second");
    await rm(path);
    await assert.rejects(sasl.token(), /Cannot read a token: .*there is none: ".*token"/);
  });

  it("come from flags as commander gives them, defaults aside", async () => {
    const command = runCommand(() => {}).exitOverride();
    command.action(() => {});
    const expected: Record<string, unknown> = {};
    const args = SETTINGS.flatMap((setting): string[] => {
      if (setting.name === "handler") return [];
      const { given } = SAMPLES[setting.name]!;
      expected[setting.name] = setting.repeatable ? [given] : given;
      const flag = calledIn(setting, "flag");
      if (typeof given === "string") return [flag, given];
      return [given ? flag : flag.replace("--", "--no-")];
    });
    await command.parseAsync(["./handler.ts", ...args], { from: "user" });
    assert.deepEqual(givenFlags(command), expected);
    const none = runCommand(() => {}).exitOverride();
    none.action(() => {});
    await none.parseAsync(["--topics", "a", "--topics", "b,c"], { from: "user" });
    assert.deepEqual(givenFlags(none), { topics: ["a", "b,c"] });
  });
});
