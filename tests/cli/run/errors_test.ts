import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { after, before, describe, it } from "#std/testing/bdd";
import { main } from "../../../src/cli/mod.ts";
import type { Everything } from "../../../src/cli/run/choose.ts";
import { readConfigFile } from "../../../src/cli/run/config_file.ts";
import { calledIn, SETTINGS } from "../../../src/cli/run/settings.ts";
import { chooseFrom, fileOf, NEEDED, prepareFrom, problemsOf } from "./shared.ts";

/** Flags beside those that every consumer needs, and all that is wrong with them. */
const WRONG: readonly (readonly [Record<string, unknown>, ...RegExp[]])[] = [
  [
    { concurrency: "many" },
    /^concurrency is "many" \(--concurrency\), expected an integer from 1 /,
  ],
  [{ retries: "-1" }, /^retries is "-1" .*from 0 to 1000000 .*or unlimited: no limit$/],
  [{ "stop-timeout": "1 fortnight" }, /^stop-timeout .*\(milliseconds\), or with a unit: 30s, 5m$/],
  [{ commit: "often" }, /^commit is "often".*"continuous" or a time \("each" is for ordered\)$/],
  [{ commit: "each" }, /^commit is "each".*"each" is for ordered/],
  [{ commit: "continuous", delivery: "interval" }, /^commit .*a time, because delivery is/],
  [{ order: "any" }, /^order is "any".*"key" or "partition" or "none"$/],
  [{ port: "65536" }, /^port is "65536" \(--port\), expected an integer from 0 to 65535/],
  [{ "log-format": "xml" }, /^log-format is "xml".*"auto" or "text" or "json"$/],
  [{ topics: ["a,b", "a"] }, /^topics has "a" \(--topics\), expected a topic .*not have yet$/],
  [{ bootstrap: "kafka" }, /^bootstrap is "kafka".*host:port/],
  [{ group: "shop" }, /^group is "shop" .*naming: "free"$/],
  [{ name: "mine" }, /^name is "mine".*"kafka_consumer\.orders", as group says/],
  [{ handler: "./none.ts" }, /^handler is "\.\/none\.ts" \(HANDLER\).*no file is at ".*none\.ts"$/],
  [{ handler: " " }, /^handler is " " .*the path of a module, or its URL$/],
  [{ driver: "kafka" }, /^driver is "kafka".*no file is at/],
  [{ "ssl-ca": "none.pem" }, /^ssl-ca is "none\.pem".*there is none: ".*none\.pem"$/],
  [{ "ssl-ca": "." }, /^ssl-ca .*it is a folder/],
  [{ "ssl-ca": "handler.ts" }, /^ssl-ca .*a file of PEM text/],
  [{ "session-timeout": "2s" }, /^heartbeat-interval is 3s by default.*session-timeout, which is/],
  [{ "backoff-max": "10ms" }, /^backoff is 1s by default, expected at most backoff-max, which/],
  [{ ordered: true, threads: "2", order: "key" }, /^order .*left out.*ordered/, /^threads .*left/],
  [
    { "handler-batch-wait": "1s" },
    /^handler-batch-size is missing.*: --handler-batch-size, KAFKA_/,
  ],
  [{ "dead-letter-topic": "d" }, /^dead-letter-topic .*neither on-error nor on-invalid is/],
  [{ ssl: false, "ssl-servername": "k" }, /^ssl-servername .*because ssl is false \(--no-ssl\)$/],
  [{ "sasl-username": "ann" }, /^sasl-mechanism is missing/],
  [
    { "sasl-mechanism": "plain" },
    /^sasl-username is missing/,
    /^sasl-password is missing.*: KAFKA_THREADS_SASL_PASSWORD, --sasl-password-file, KAFKA_/,
  ],
  [{ "sasl-mechanism": "oauthbearer" }, /^sasl-token-file is missing/],
  [
    { "sasl-mechanism": "oauthbearer", "sasl-token-file": "handler.ts", "sasl-username": "ann" },
    /^sasl-username .*because sasl-mechanism is oauthbearer/,
  ],
  [{ "sasl-token-file": "handler.ts" }, /^sasl-token-file .*because tokens are for oauthbearer$/],
  [
    { "max-in-flight-messages": "5", concurrency: "6" },
    /^concurrency is "6".*at most max-in-flight-messages, which is 5$/,
  ],
];

const SECRET = "hunter2-\u{1f511}";

describe("what is wrong with settings of kafka-threads run", () => {
  let folder: string;

  before(async () => folder = await mkdtemp(join(tmpdir(), "kafka-threads-errors-")));
  after(() => rm(folder, { recursive: true }));

  for (const [flags, ...expected] of WRONG) {
    it(`is said in terms of settings: ${JSON.stringify(flags)}`, async () => {
      const problems = await problemsOf({ flags: { ...NEEDED, ...flags } });
      assert.equal(problems.length, expected.length, problems.join("\n"));
      for (const [index, pattern] of expected.entries()) assert.match(problems[index]!, pattern);
      // The library's names have capitals inside; paths of files may have anything.
      const words = problems.join("\n").replace(/"[^"]*"/g, "").match(/\b[a-z]+[A-Z]\w+/);
      assert.equal(words, null);
    });
  }

  it("is said all at once, and of each where it comes from", async () => {
    const problems = await problemsOf({
      flags: { handler: "none.ts", topics: ["a b"] },
      variables: { KAFKA_THREADS_RETRIES: "some", KAFKA_THREADS_SSL: "perhaps" },
      file: fileOf({ concurrency: 0, port: "http", grup: "shop.orders", groupId: 1, x: SECRET }),
    });
    const patterns = [
      /^"grup" in config\.yaml is no setting; did you mean "group"\?$/,
      /^"groupId" in config\.yaml is no setting; did you mean "group"\?$/,
      /^"x" in config\.yaml is no setting$/,
      /^handler is "none\.ts" \(HANDLER\)/,
      /^topics has "a b" \(--topics\)/,
      /^retries is "some" \(KAFKA_THREADS_RETRIES\)/,
      /^ssl is "perhaps" \(KAFKA_THREADS_SSL\), expected true or false$/,
      /^concurrency is 0 \("concurrency" in config\.yaml\)/,
      /^port is "http" \("port" in config\.yaml\)/,
      /^bootstrap is missing.*: --bootstrap, KAFKA_THREADS_BOOTSTRAP or the config file$/,
      /^group is missing/,
    ];
    for (const pattern of patterns) {
      assert.equal(problems.filter((problem) => pattern.test(problem)).length, 1, `${pattern}`);
    }
    assert.equal(problems.length, patterns.length, problems.join("\n"));
  });

  it("is only a warning of a variable that is not known, whose value is not said", () => {
    const { warnings, problems } = chooseFrom({
      variables: {
        KAFKA_THREADS_SASL_PASWORD: SECRET,
        KAFKA_THREADS_SERVICE_HOST: "10.0.0.1",
        KAFKA_BOOTSTRAP_SERVERS: "x",
      },
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(warnings, [
      "The variable KAFKA_THREADS_SASL_PASWORD is no setting; did you mean " +
      "KAFKA_THREADS_SASL_PASSWORD?",
      "The variable KAFKA_THREADS_SERVICE_HOST is no setting",
    ]);
  });

  it("never tells a secret, wherever it was given by mistake", async () => {
    const secretFile = join(folder, "secret");
    const empty = join(folder, "empty");
    await writeFile(secretFile, SECRET);
    await writeFile(empty, "\n");
    const sasl = { "sasl-mechanism": "plain", "sasl-username": "ann" };
    const mistakes: Partial<Everything>[] = [
      { flags: { ...NEEDED, ...sasl, "sasl-password": SECRET } },
      { flags: { ...NEEDED, ...sasl }, file: fileOf({ "sasl-password": SECRET }) },
      { flags: { ...NEEDED, ...sasl }, file: fileOf({ "sasl-password": [SECRET] }) },
      { flags: { ...NEEDED, ...sasl }, file: fileOf({ saslPassword: SECRET }) },
      { flags: { ...NEEDED, ...sasl }, file: fileOf({ sasl: { password: SECRET } }) },
      {
        flags: { ...NEEDED, ...sasl, "sasl-password-file": secretFile },
        variables: { KAFKA_THREADS_SASL_PASSWORD: SECRET },
      },
      {
        flags: { ...NEEDED, "sasl-mechanism": "oauthbearer", "sasl-password-file": secretFile },
        variables: { KAFKA_THREADS_SASL_PASSWORD: SECRET },
      },
      {
        flags: { ...NEEDED, "sasl-mechanism": "plane", "sasl-password-file": secretFile },
      },
      { flags: { ...NEEDED, ...sasl, "sasl-password-file": empty } },
      { flags: { ...NEEDED, "ssl-key": secretFile } },
      { flags: NEEDED, variables: { KAFKA_THREADS_DRIVER_OPTIONS: `{"password":"${SECRET}"` } },
      { flags: NEEDED, variables: { KAFKA_THREADS_DRIVER_OPTIONS: `"${SECRET}"` } },
      { flags: NEEDED, file: fileOf({ "driver-options": [SECRET] }) },
      { flags: { ...NEEDED, "driver-options": `{"password":"${SECRET}"}` } },
      { flags: { ...NEEDED, bootstrap: `ann:${SECRET}@kafka:9092` } },
    ];
    for (const mistake of mistakes) {
      const problems = await problemsOf(mistake);
      assert.ok(problems.length > 0, JSON.stringify(mistake));
      assert.ok(!problems.join("\n").includes("hunter2"), problems.join("\n"));
    }
    const [first] = await problemsOf(mistakes[0]!);
    assert.equal(
      first,
      "sasl-password is [hidden] (--sasl-password), expected KAFKA_THREADS_SASL_PASSWORD or " +
        "--sasl-password-file instead",
    );
  });

  it("is never a secret of the command line either, misspelt or not", async () => {
    for (const flag of [`--sasl-pasword=${SECRET}`, `--password=${SECRET}`]) {
      let said = "";
      const write = (text: string) => void (said += text);
      const code = await main(["run", flag], { writeOut: write, writeErr: write });
      assert.equal(code, 2);
      assert.match(said, /unknown option '--\w/);
      assert.ok(!said.includes("hunter2"), said);
    }
  });

  it("never throws anything else, whatever the settings are", async () => {
    const names = fc.constantFrom(...SETTINGS.map(({ name }) => name));
    const anything = fc.dictionary(names, fc.anything());
    await fc.assert(
      fc.asyncProperty(anything, fc.dictionary(fc.string(), fc.anything()), async (known, more) => {
        await problemsOf({ file: fileOf({ ...known, ...more }) });
      }),
      { numRuns: 100 },
    );
    const texts = fc.dictionary(
      fc.constantFrom(...SETTINGS.map((setting) => calledIn(setting, "variable"))),
      fc.oneof(
        fc.string(),
        fc.constantFrom("1", "1s", "true", "{}", "..", "data:,", "file://a/b%2f", "x:["),
      ),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (variables) => void await problemsOf({ variables })),
      { numRuns: 100 },
    );
  });
});

describe("config files of kafka-threads run", () => {
  let folder: string;

  before(async () => folder = await mkdtemp(join(tmpdir(), "kafka-threads-config-")));
  after(() => rm(folder, { recursive: true }));

  const read = async (text: string, name = "config.yaml") => {
    await writeFile(join(folder, name), text);
    return await readConfigFile(name, folder, "--config");
  };

  it("are YAML", async () => {
    const { name, values, folder: place } = await read(
      "# Ours\ngroup: shop.orders\ntopics: [a, b]\n",
    );
    assert.deepEqual({ ...values }, { group: "shop.orders", topics: ["a", "b"] });
    assert.deepEqual([name, place], ["config.yaml", folder]);
  });

  it("are JSON, with tabs and all, or empty", async () => {
    const given = { group: "shop.orders", "driver-options": { a: [1, null, "\u{e9}\n"] } };
    for (const space of [undefined, 2, "\t"]) {
      const { values } = await read(JSON.stringify(given, null, space), "config.json");
      assert.deepEqual({ ...values }, given);
    }
    assert.deepEqual((await read("")).values, {});
    assert.deepEqual((await read("# nothing yet\n")).values, {});
  });

  it("name their paths from where they lie", async () => {
    const inside = join(folder, "inside");
    await mkdir(inside);
    await writeFile(join(inside, "mine.ts"), "");
    await writeFile(join(inside, "config.yaml"), "handler: ./mine.ts\n");
    const file = await readConfigFile("inside/config.yaml", folder, "--config");
    const { handler: _handler, ...flags } = NEEDED;
    const { consumer: { handler } } = await prepareFrom({ flags, file });
    assert.ok(handler.kind === "module" && handler.module.endsWith("/inside/mine.ts"));
  });

  const broken: readonly (readonly [string, RegExp])[] = [
    [`group: a\nsasl-password: "${SECRET}\n`, /YAML or JSON; line \d+, column \d+: missing char$/],
    [`group: a\n  sasl-password: ${SECRET}\n`, /line 1, column 8: block as implicit key$/],
    [`sasl-password: |${SECRET}\n`, /line 1, /],
    [`a: &a ${SECRET}\nb: *${SECRET}\n`, /line 2, |aliases/],
    [`- ${SECRET}\n`, /settings, as `name: value`$/],
    [`${SECRET}\n`, /settings, as `name: value`$/],
    [`group: a\ngroup: ${SECRET}\n`, /line 2, column 1: duplicate key$/],
  ];
  for (const [text, expected] of broken) {
    it(`are refused with where they are wrong, but not what is there: ${text.trim()}`, async () => {
      await assert.rejects(read(text), (error: Error) => {
        assert.match(error.message, /^Cannot run: a setting is wrong\n {2}config is "config.yaml"/);
        assert.match(error.message, expected);
        assert.ok(!error.message.includes("hunter2"), error.message);
        return true;
      });
    });
  }

  it("are refused if they grow without end", async () => {
    const bomb = Array.from({ length: 9 }, (_, index) => {
      const item = index === 0 ? "x" : `*a${index - 1}`;
      return `a${index}: &a${index} [${Array(9).fill(item).join(", ")}]`;
    });
    await assert.rejects(read(bomb.join("\n")), /YAML without aliases that grow without end/);
  });

  it("are refused if they are not there", async () => {
    await assert.rejects(
      readConfigFile("none.yaml", folder, "KAFKA_THREADS_CONFIG"),
      /config is "none\.yaml" \(KAFKA_THREADS_CONFIG\), expected a file .*there is none: ".*none/,
    );
  });
});
