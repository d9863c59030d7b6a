// deno-lint-ignore-file no-control-regex -- Terminals are sent control characters.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { after, before, describe, it } from "#std/testing/bdd";
import { KafkaBroker } from "../../../src/testing/mod.ts";
import { type Child, runtimeArgs } from "../../support/child.ts";
import { runProgram } from "../../support/kafka/java.ts";
import { kafkaThreads, noSettings } from "../command.ts";
import { FOLDER } from "./shared.ts";

const PASSWORD = "hunter2-\u{1f511}";
const HANDLER = join(FOLDER, "handler.ts");
const slow = { timeout: 60_000 };
/** Skips, with the reason, where nobody has a terminal to give away. */
const needsPython: { skip?: string } = (await runProgram("python3", ["--version"])).error === null
  ? {}
  : { skip: 'a terminal needs Python, and there is no "python3"' };

/** Lines of JSON. */
function parsed(stdout: string): Record<string, unknown>[] {
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
}

describe("kafka-threads run", slow, () => {
  let broker: KafkaBroker;
  let folder: string;
  let served: Child;
  let failing: Child;

  // Both at once: most of the time each of them waits.
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kafka-threads-run-"));
    broker = await KafkaBroker.start({
      topics: { orders: 2, bad: 1 },
      logLevel: "silent",
      listeners: { sasl: { sasl: { users: { ann: PASSWORD } } } },
    });
    const orders = Array.from({ length: 20 }, (_, id) => ({
      key: `${id}`,
      value: JSON.stringify({ id }),
    }));
    await broker.produce("orders", orders);
    await broker.produce(
      "bad",
      [0, 1, 2].map((id) => ({
        value: JSON.stringify({ id, bad: id === 1 }),
      })),
    );
    served = kafkaThreads(["run", "--log-level=debug"], {
      KAFKA_THREADS_HANDLER: HANDLER,
      KAFKA_THREADS_BOOTSTRAP: broker.bootstrapServersOf("sasl"),
      KAFKA_THREADS_GROUP: "shop.orders",
      KAFKA_THREADS_TOPICS: "orders",
      KAFKA_THREADS_START_FROM: "earliest",
      KAFKA_THREADS_THREADS: "1",
      KAFKA_THREADS_SASL_MECHANISM: "scram-sha-256",
      KAFKA_THREADS_SASL_USERNAME: "ann",
      KAFKA_THREADS_SASL_PASSWORD: PASSWORD,
      KAFKA_THREADS_PORT: "0",
      KAFKA_THREADS_COMMIT: "continuous",
      KAFKA_THREADS_LOG_LEVEL: "error",
    });
    const config = join(folder, "bad.yaml");
    await writeFile(
      config,
      `# The handler is named on the command line.
handler: nowhere.ts
bootstrap: ${broker.bootstrapServers}
group: shop.bad
topics: [bad]
start-from: earliest
ordered: true
server: false
log-format: text
`,
    );
    failing = kafkaThreads(["run", HANDLER, "--config", config]);
  });
  after(async () => {
    await served[Symbol.asyncDispose]();
    await failing[Symbol.asyncDispose]();
    await broker.stop();
    await rm(folder, { recursive: true });
  });

  it("handles messages on a thread, answers probes, and ends with 0 at SIGTERM", async () => {
    const [, url] = await served.match(/"message":"Health is served at (http:[^"]*?\/)health"/);
    await broker.whenCommitted("shop.orders", "orders", { total: 20 });
    for (const path of ["health/live", "health/ready", "metrics", "status"]) {
      const response = await fetch(`${url}${path}`);
      const body = await response.text();
      assert.equal(response.status, 200, body);
      assert.ok(!body.includes("hunter2"), path);
    }
    served.kill("SIGTERM");
    const { code, stdout, stderr } = await served.ended;
    assert.equal(code, 0, stdout + stderr);
    const lines = parsed(stdout);
    const handled = lines.filter(({ message }) => /^handled \d+$/.test(String(message)));
    assert.equal(handled.length, 20);
    for (const line of handled) {
      assert.equal(line["topic"], "orders");
      assert.equal(typeof line["partition"], "number");
      assert.equal(typeof line["offset"], "number");
      assert.equal(line["consumer"], "kafka_consumer.orders");
    }
    const progress = lines.filter(({ message }) => message === "Progress").at(-1)!;
    assert.deepEqual(
      [progress["level"], progress["messages"], progress["lag"], progress["failed"]],
      ["info", 20, 0, 0],
    );
    assert.ok(lines.some(({ level }) => level === "debug"), "the flag is stronger");
    assert.ok(!(stdout + stderr).includes("hunter2"), "at no level");
  });

  it("ends with 1 when the handler fails, and says at which message, and where", async () => {
    const { code, stdout, stderr } = await failing.ended;
    assert.equal(code, 1, stdout + stderr);
    assert.match(stdout, /info +handled 0 .*topic=bad partition=0 offset=0$/m);
    assert.match(stdout, /error .*order 1 is bad.* topic=bad partition=0 offset=1/);
    assert.match(stdout, /cause: RangeError: order 1 is bad[^]*handler\.ts:\d+/);
    assert.doesNotMatch(stdout, /handled 2|Health|[\r\x1b]/);
    assert.deepEqual(broker.committed("shop.bad", "bad"), [1]);
  });

  it("says without a stack trace that its settings are wrong, or its port is taken", async () => {
    const { port } = new URL((await served.match(/served at (http:[^"]*)/))[1]!);
    await using wrong = kafkaThreads(["run", "--retries=x"]);
    const needed = ["--group=shop.orders", "--topics=orders", "--bootstrap=127.0.0.1:1"];
    const brokerPort = broker.bootstrapServers.split(":")[1]!;
    assert.notEqual(port, brokerPort);
    const host = "--hostname=127.0.0.1";
    await using taken = kafkaThreads(["run", HANDLER, ...needed, host, `--port=${brokerPort}`]);
    const [first, second] = await Promise.all([wrong.ended, taken.ended]);
    assert.equal(first.code, 2);
    assert.equal(first.stdout, "");
    assert.match(first.stderr, /^Cannot run: 5 settings are wrong\n/);
    assert.doesNotMatch(first.stderr, /\n\s+at /);
    assert.equal(second.code, 1, second.stdout);
    const lines = parsed(second.stdout);
    assert.ok(
      lines.some(({ level, message }) =>
        level === "error" && String(message).includes(`127.0.0.1:${brokerPort}`)
      ),
    );
    assert.doesNotMatch(second.stderr, /\n\s+at /);
  });

  it(
    "draws progress on a terminal, below what is logged, and removes it at the end",
    needsPython,
    async () => {
      const command = fileURLToPath(new URL("../../../src/cli/mod.ts", import.meta.url));
      const args = [
        process.execPath,
        ...runtimeArgs(),
        ...[command, "run", HANDLER, "--no-server", "--start-from=earliest"],
        ...["--bootstrap", broker.bootstrapServers, "--group", "shop.shown", "--topics", "orders"],
      ];
      // Python has terminals to give away; its own output is what the program draws.
      const program = "import os, pty, sys; sys.exit(os.WEXITSTATUS(pty.spawn(sys.argv[1:])))";
      const terminal = spawn("python3", ["-c", program, ...args], {
        env: { ...process.env, ...noSettings(), NO_COLOR: "1", NODE_TEST_CONTEXT: undefined },
        stdio: ["pipe", "pipe", "inherit"],
      });
      let drawn = "";
      const shown = Promise.withResolvers<void>();
      terminal.stdout.setEncoding("utf8").on("data", (text) => {
        drawn += text;
        if (/\r\x1b\[K\d+\/s {2}lag 0 {2}in flight 0 .*20 done/.test(drawn)) shown.resolve();
      });
      const ended = once(terminal, "close");
      ended.then(() => shown.resolve());
      await shown.promise;
      // Ctrl-C, typed: the terminal makes the signal of it.
      terminal.stdin.write("\x03");
      const [code] = await ended;
      assert.equal(code, 0, drawn);
      assert.match(drawn, /info +handled 19 .*topic=orders/);
      assert.match(drawn, /\x1b\[K\d{4}-[^\r]*Kafka consumer thread stopped/, "above the line");
      assert.match(
        drawn.split("\x1b[K").at(-1)!,
        /^stopped {2}20 done .*\r?\n$/,
        "and nothing else",
      );
    },
  );
});
