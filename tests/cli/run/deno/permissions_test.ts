import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { KafkaBroker } from "../../../../src/testing/mod.ts";
import { run } from "../../../edge/support.ts";
import { FOLDER } from "../shared.ts";

describe("the permissions of kafka-threads run", () => {
  it("are enough, as docs/cli.md has them", { timeout: 60_000 }, async () => {
    const text = await readFile(new URL("../../../../docs/cli.md", import.meta.url), "utf8");
    const [sentence] = /`-A`\s+allows everything[^]*?\./.exec(text)!;
    const flags = Array.from(sentence.matchAll(/--allow-\w+/g), ([flag]) => flag);
    assert.deepEqual(flags, ["--allow-net", "--allow-env", "--allow-read"]);
    await using broker = await KafkaBroker.start({ topics: { orders: 1 }, logLevel: "silent" });
    const program = join("src", "cli", "mod.ts");
    const { code, stdout, stderr } = await run(
      [process.execPath, "run", "--no-prompt", ...flags, program, "run", "--check"],
      {
        KAFKA_THREADS_HANDLER: join(FOLDER, "handler.ts"),
        KAFKA_THREADS_BOOTSTRAP: broker.bootstrapServers,
        KAFKA_THREADS_GROUP: "shop.orders",
        KAFKA_THREADS_TOPICS: "orders",
      },
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Ready to run/);
  });
});
