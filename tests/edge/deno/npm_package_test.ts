import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "#std/testing/bdd";
import { obtainRuntime } from "../../../scripts/support/runtimes.ts";
import { buildNpm } from "../../../scripts/build_npm.ts";
import { needsKafka } from "../../support/kafka_skip.ts";
import { type Folder, ROOT, run, smallTopic, temporaryFolder } from "../support.ts";

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

const TYPED_PROGRAM = `
import { type Message, ThreadManager, type ThreadManagerOptions } from "kafka-threads";
const consumer = { bootstrapServers: "a:9092", groupId: "g", topics: ["t"] };
const options: ThreadManagerOptions = { consumer, onMessage: (message: Message) => message.text() };
const manager: ThreadManager = new ThreadManager(options);
const closed: "stopped" | "lifetime" = await manager.closed;
// @ts-expect-error not any
const wrong: number = closed;
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
    for (const name of ["kafkajs", "valibot", "@platformatic", "@types"]) {
      await symlink(join(ROOT, "node_modules", name), join(modules, name));
    }
    await writeFile(join(folder.path, "program.mjs"), PROGRAM);
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
    it(`consumes on ${name}`, { ...slow, ...needsKafka }, async () => {
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
