import assert from "node:assert/strict";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "#std/testing/bdd";
import { obtainRuntime } from "../../../scripts/support/runtimes.ts";
import { buildNpm } from "../../../scripts/build_npm.ts";
import { smallTopic } from "../small_topic.ts";
import { type Folder, ROOT, run, temporaryFolder } from "../support.ts";

const slow = { timeout: 120_000 };
const npm = await run(["npm", "--version"]);
const needsNpm = npm.code === 0 ? {} : { skip: "there is no npm to pack the package with" };

const PROGRAM = `
import { ThreadManager } from "kafka-threads";
const { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers, TOPIC: topic } = process.env;
const texts = [];
for (const thread of ["worker", "inline"]) {
  const manager = new ThreadManager({
    consumer: { bootstrapServers, groupId: \`edge.npm-\${crypto.randomUUID()}\`, topics: [topic],
      startFrom: "earliest", thread },
    onMessage: (message) => { if (texts.push(message.text()) % 20 === 0) void manager.stop(); },
    lifetimeMs: null,
    logLevel: "silent",
  });
  await manager.start();
  await manager.closed;
}
console.log(JSON.stringify(texts));
`;

/** Needs no Kafka but the package's own. */
const TESTED_PROGRAM = `
import { ThreadManager } from "kafka-threads";
import { KafkaBroker } from "kafka-threads/testing";
const broker = await KafkaBroker.start({ topics: { orders: 1 }, logLevel: "warn" });
await broker.produce("orders", [{ value: "espresso" }]);
const manager = new ThreadManager({
  consumer: { bootstrapServers: broker.bootstrapServers, groupId: "g", topics: ["orders"],
    startFrom: "earliest" },
  onMessage: (message) => console.log(message.text()),
  logLevel: "warn",
});
await manager.start();
await broker.whenCommitted("g", "orders", { offset: 1 });
await manager.stop();
await broker.stop();
`;

/** The module of a handler, which has the program end when it has handled all. */
const HANDLER = `
let handled = 0;
export default (context, order) => {
  context.logger.info("handled " + order.id);
  if (++handled === 20) process.kill(process.pid, "SIGTERM");
};
`;

const TYPED_PROGRAM = `
import { KafkaBroker } from "kafka-threads/testing";
import { main } from "kafka-threads/cli";
import { type Message, ThreadManager, type ThreadManagerOptions } from "kafka-threads";
const consumer = { bootstrapServers: "a:9092", groupId: "g", topics: ["t"] };
const options: ThreadManagerOptions = { consumer, onMessage: (message: Message) => message.text() };
const manager: ThreadManager = new ThreadManager(options);
const closed: "stopped" | "lifetime" = await manager.closed;
// @ts-expect-error not any
const wrong: number = closed;
const broker: KafkaBroker = await KafkaBroker.start({ topics: { orders: 3 } });
const code: number = await main(["broker", "--help"]);
// @ts-expect-error there is no such API
broker.control("Heartbeet", () => undefined);
`;

describe("the npm package", needsNpm, () => {
  let folder: Folder;

  before(async () => {
    folder = await temporaryFolder();
    await buildNpm(join(folder.path, "built"));
    const packed = await run(["npm", "pack", "--silent", "./built"], {}, folder.path);
    assert.equal(packed.code, 0, packed.stderr);
    const modules = join(folder.path, "node_modules");
    const installed = join(modules, "kafka-threads");
    await mkdir(installed, { recursive: true });
    const file = packed.stdout.trim();
    const tar = ["tar", "-xzf", file, "--strip-components=1", "-C", installed];
    assert.equal((await run(tar, {}, folder.path)).code, 0);
    // What npm would fetch from its registry is in the checkout already.
    const manifest = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
    // A scope, such as @hono, at once.
    const names = Object.keys(manifest.dependencies).map((name) => name.split("/")[0]!);
    for (const name of new Set([...names, "@types"])) {
      await symlink(join(ROOT, "node_modules", name), join(modules, name));
    }
    await writeFile(join(folder.path, "program.mjs"), PROGRAM);
    await writeFile(join(folder.path, "tested.mjs"), TESTED_PROGRAM);
    await writeFile(join(folder.path, "handler.mjs"), HANDLER);
  }, slow);
  after(() => folder[Symbol.asyncDispose]());

  const commands: Record<string, () => Promise<string[]>> = {
    // Not the one that runs the library's source: the package carries JavaScript for older ones.
    "the Node of this machine": async () =>
      (await run(["node", "--version"])).code === 0
        ? ["node"]
        : [(await obtainRuntime("node")).executable],
    Bun: async () => [(await obtainRuntime("bun")).executable],
    Deno: () =>
      Promise.resolve([process.execPath, "run", "--allow-all", "--node-modules-dir=manual"]),
  };
  for (const [name, command] of Object.entries(commands)) {
    it(`consumes on ${name}`, slow, async () => {
      const { stdout, stderr } = await run(
        [...await command(), "program.mjs"],
        await smallTopic(),
        folder.path,
      );
      assert.notEqual(stdout, "", stderr);
      const once = Array.from({ length: 20 }, (_, id) => `{"id":${id}}`);
      assert.deepEqual(JSON.parse(stdout), [...once, ...once]);
    });
  }

  for (const [name, command] of Object.entries(commands)) {
    it(`has a broker for tests on ${name}`, slow, async () => {
      const tested = await run([...await command(), "tested.mjs"], {}, folder.path);
      assert.equal(tested.code, 0, tested.stderr);
      assert.equal(tested.stdout, "espresso\n");
    });

    it(`has the command on ${name}`, slow, async () => {
      const bin = join("node_modules", "kafka-threads", "bin", "kafka-threads.js");
      const { KAFKA_BOOTSTRAP_SERVERS, TOPIC } = await smallTopic();
      const { code, stdout, stderr } = await run([...await command(), bin, "run", "handler.mjs"], {
        KAFKA_THREADS_BOOTSTRAP: KAFKA_BOOTSTRAP_SERVERS!,
        KAFKA_THREADS_GROUP: `edge.npm-${crypto.randomUUID()}`,
        KAFKA_THREADS_TOPICS: TOPIC!,
        KAFKA_THREADS_START_FROM: "earliest",
        KAFKA_THREADS_THREADS: "1",
        KAFKA_THREADS_PORT: "0",
      }, folder.path);
      assert.equal(code, 0, stdout + stderr);
      const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
      const handled = lines.filter(({ message }) => message.startsWith("handled"));
      assert.equal(new Set(handled.map(({ message }) => message)).size, 20);
    });
  }

  it("has types that TypeScript finds", slow, async () => {
    await writeFile(join(folder.path, "program.mts"), TYPED_PROGRAM);
    const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const { code, stdout } = await run(
      [
        process.execPath,
        "run",
        "--allow-all",
        compiler,
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        ...["--module", "nodenext", "--target", "esnext", "--lib", "esnext,dom", "--types", "node"],
        "program.mts",
      ],
      {},
      folder.path,
    );
    assert.equal(code, 0, stdout);
  });
});
