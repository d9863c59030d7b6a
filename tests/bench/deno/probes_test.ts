import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { anyKafka } from "../../support/kafka/mod.ts";
import { runtimeArgs } from "../../support/child.ts";
import { run } from "../../edge/support.ts";
import process from "node:process";

describe("bench/probes.ts", () => {
  it("asks each path while messages are handled", { timeout: 60_000 }, async () => {
    const { bootstrapServers } = await anyKafka();
    const { code, stdout, stderr } = await run([
      ...[process.execPath, ...runtimeArgs(), "bench/probes.ts", "--bootstrap", bootstrapServers],
      ...["--runtimes", "deno", "--services", "computing", "--messages", "3000", "--seconds", "1"],
    ]);
    assert.equal(code, 0, stderr);
    const rows = stdout.split("\n").filter((line) => line.startsWith("| deno"))
      .map((line) => line.split("|").map((cell) => cell.trim()));
    assert.deepEqual(rows.map((row) => row[4]), ["/health/live", "/health/ready", "/metrics"]);
    for (const [, , , , , asked, first, p50, p99, max] of rows) {
      assert(Number(asked) > 1, stdout);
      for (const ms of [first, p50, p99, max]) assert(Number(ms) > 0, stdout);
      assert(Number(p50) <= Number(p99) && Number(p99) <= Number(max), stdout);
    }
  });
});
