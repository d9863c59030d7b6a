import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { ROOT, run, temporaryFolder } from "../support.ts";

const PROGRAM = `
import {
  type ConsumerDriver,
  type CreateDriver,
  type Health,
  HandlerError,
  type KafkaOptions,
  Message,
  ThreadManager,
  type ThreadManagerOptions,
} from "@kafka-threads/kafka-threads";
import { main } from "@kafka-threads/kafka-threads/cli";
import { type Control, FaultProxy, KafkaBroker } from "@kafka-threads/kafka-threads/testing";
import "@kafka-threads/kafka-threads/workers/poller";

const consumer: KafkaOptions = { bootstrapServers: "a:9092", groupId: "g", topics: ["t"] };
const options: ThreadManagerOptions = {
  consumer,
  onMessage: async (message) => void (await message.json<{ id: number }>()?.id),
};
const manager: ThreadManager = await new ThreadManager(options).start();
const health: Health = await manager.health();
const closed: "stopped" | "lifetime" = await manager.closed;
for await (const message of manager) console.log(message satisfies Message, health, closed);
export const driver: CreateDriver = (): ConsumerDriver => { throw new HandlerError("no"); };

const broker: KafkaBroker = await KafkaBroker.start({ topics: { orders: 3 } });
const control: Control = broker.control("Fetch", ({ nodeId }) => ({ delayMs: nodeId }));
const code: number = await main(["broker"]);
new FaultProxy(broker.bootstrapServers).stats() satisfies object | typeof control | typeof code;

// @ts-expect-error a group is needed
new ThreadManager({ consumer: { bootstrapServers: "a:9092", topics: ["t"] } });
// @ts-expect-error there is no such option
new ThreadManager({ consumer, onMesage: () => {} });
`;

/** What JSR makes of the bare names of package.json when it publishes. */
async function npmImports(): Promise<Record<string, string>> {
  const { dependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  return Object.fromEntries(
    Object.entries(dependencies as Record<string, string>).flatMap(([name, version]) => [
      [name, `npm:${name}@${version}`],
      [`${name}/`, `npm:/${name}@${version}/`],
    ]),
  );
}

describe("a program elsewhere that imports the library by its name", () => {
  it("type-checks, with the strictest settings", { timeout: 60_000 }, async () => {
    await using folder = await temporaryFolder();
    await writeFile(
      join(folder.path, "deno.json"),
      JSON.stringify({
        compilerOptions: { strict: true, exactOptionalPropertyTypes: true },
        imports: {
          "@kafka-threads/kafka-threads": `file://${ROOT}mod.ts`,
          "@kafka-threads/kafka-threads/cli": `file://${ROOT}src/cli/mod.ts`,
          "@kafka-threads/kafka-threads/testing": `file://${ROOT}src/testing/mod.ts`,
          "@kafka-threads/kafka-threads/workers/poller": `file://${ROOT}workers/poller.ts`,
          ...await npmImports(),
        },
      }),
    );
    await writeFile(join(folder.path, "program.ts"), PROGRAM);
    const { code, stderr } = await run([process.execPath, "check", "program.ts"], {}, folder.path);
    assert.equal(code, 0, stderr);
  });
});
