import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "#std/testing/bdd";
import { runHandler } from "../../../src/cli/run/run.ts";
import { KafkaBroker } from "../../../src/testing/mod.ts";
import { makeCertificates } from "../../support/kafka/certificates.ts";
import { freePort } from "../../support/free_port.ts";
import { FOLDER } from "./shared.ts";

const PASSWORD = "hunter2-\u{1f511}";
const slow = { timeout: 60_000 };

describe("kafka-threads run --check", slow, () => {
  let broker: KafkaBroker;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kafka-threads-check-"));
    const { ca, serverCert: cert, serverKey: key } = await makeCertificates(folder);
    broker = await KafkaBroker.start({
      topics: { orders: 2 },
      autoCreateTopics: false,
      logLevel: "silent",
      listeners: { secure: { tls: { cert, key }, sasl: { users: { ann: PASSWORD } } } },
    });
    await writeFile(join(folder, "authority.pem"), ca);
    await writeFile(join(folder, "password"), `${PASSWORD}\n`);
    await writeFile(join(folder, "wrong"), `${PASSWORD}!`);
    await writeFile(join(folder, "broken.ts"), "export default 5;\n");
  });
  after(async () => {
    await broker.stop();
    await rm(folder, { recursive: true });
  });

  /** Checks; neither stream gets a secret, nor a stack trace. */
  const check = async (
    flags: Record<string, unknown>,
    variables: Record<string, string> = {},
  ) => {
    let stdout = "";
    let stderr = "";
    const code = await runHandler({
      flags: {
        handler: "handler.ts",
        bootstrap: broker.bootstrapServers,
        group: "shop.orders",
        topics: "orders",
        ...flags,
      },
      variables,
      folder: FOLDER,
      stdout: { write: (text) => stdout += text },
      stderr: { write: (text) => stderr += text },
    }, true);
    assert.ok(!(stdout + stderr).includes("hunter2"), stdout + stderr);
    assert.doesNotMatch(stdout + stderr, /PRIVATE KEY|MIG|\n\s+at /);
    return { code, stdout, stderr };
  };

  it("lists the settings in force, and says that the topics are there", async () => {
    const { code, stdout, stderr } = await check(
      { retries: "3" },
      { KAFKA_THREADS_STOP_TIMEOUT: "5s", KAFKA_THREADS_STOP_TIEMOUT: "5s" },
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^ {2}handler +handler\.ts +HANDLER$/m);
    assert.match(stdout, /^ {2}retries +3 +--retries$/m);
    assert.match(stdout, /^ {2}stop-timeout +5s +KAFKA_THREADS_STOP_TIMEOUT$/m);
    assert.match(stdout, /^ {2}name +kafka_consumer\.orders +default$/m);
    assert.match(stdout, /^ {2}commit +5s +default$/m);
    assert.doesNotMatch(
      stdout,
      /ssl-|sasl|dead-letter-topic|batch-wait/,
      "nothing that is not in force",
    );
    assert.match(stdout, /\nReady to run: .*these topics exist: orders\n$/);
    assert.match(stderr, /warn .*KAFKA_THREADS_STOP_TIEMOUT is no setting; did you mean/);
    assert.deepEqual(broker.groups(), [], "it has not joined the group");
  });

  it("proves itself over TLS, with secrets of files or of the environment", async () => {
    const secure = {
      bootstrap: broker.bootstrapServersOf("secure"),
      "ssl-ca": join(folder, "authority.pem"),
      "sasl-mechanism": "scram-sha-512",
      "sasl-username": "ann",
      "log-level": "debug",
    };
    const [file, variable, wrong, untrusted] = await Promise.all([
      check({ ...secure, "sasl-password-file": join(folder, "password") }),
      check(secure, { KAFKA_THREADS_SASL_PASSWORD: PASSWORD }),
      check({ ...secure, "sasl-password-file": join(folder, "wrong") }),
      check({ ...secure, "ssl-ca": join(folder, "client.pem") }, {
        KAFKA_THREADS_SASL_PASSWORD: PASSWORD,
        KAFKA_THREADS_START_TIMEOUT: "5s",
      }),
    ]);
    assert.equal(file.code, 0, file.stderr);
    assert.match(file.stdout, /^ {2}ssl +true +default$/m);
    assert.equal(variable.code, 0, variable.stderr);
    assert.match(variable.stdout, /^ {2}sasl-password +\(set\) +KAFKA_THREADS_SASL_PASSWORD$/m);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /error Not ready to run: .*(?:credentials|authenticat)/i);
    assert.equal(untrusted.code, 1);
    assert.match(untrusted.stderr, /error Not ready to run: .*(?:certificate|issuer)/i);
  });

  it("names the topic that is not there", async () => {
    const { code, stderr } = await check({ topics: "orders,mails" });
    assert.equal(code, 1);
    assert.match(stderr, /error Not ready to run: Cannot consume "mails": no such topic\n$/);
  });

  it("says that nobody is there", async () => {
    const { code, stderr } = await check({
      bootstrap: `127.0.0.1:${await freePort()}`,
      "start-timeout": "2s",
    });
    assert.equal(code, 1);
    assert.match(stderr, /error Not ready to run: .*127\.0\.0\.1:\d+/);
  });

  it("says what is wrong with the handler's module", async () => {
    const { code, stderr } = await check({ handler: join(folder, "broken.ts") });
    assert.equal(code, 1);
    assert.match(stderr, /error Not ready to run: [^]*broken\.ts" whose default export/);
  });

  it("ends with exit code 2 if settings are wrong, before anything is asked", async () => {
    const { code, stdout, stderr } = await check({ group: "shop", retries: "x" });
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /^Cannot run: 2 settings are wrong\n {2}retries .*\n {2}group .*\n\(.*--help/,
    );
  });

  it("is one line of JSON where that is wanted", async () => {
    const good = await check({ "log-format": "json", ordered: true });
    assert.equal(good.code, 0, good.stderr);
    const { ok, settings, topics, ...rest } = JSON.parse(good.stdout);
    assert.deepEqual([ok, topics, rest], [true, ["orders"], {}]);
    const find = (wanted: string) => settings.find(({ name }: { name: string }) => name === wanted);
    assert.deepEqual(find("ordered"), { name: "ordered", value: "true", origin: "--ordered" });
    assert.deepEqual(find("commit"), { name: "commit", value: "each", origin: "default" });
    assert.equal(find("order"), undefined);
    const bad = await check({ "log-format": "json", topics: "mails" });
    assert.equal(bad.code, 1);
    assert.equal(JSON.parse(bad.stdout).error.code, "TOPIC_NOT_FOUND");
  });
});
