import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { run } from "../../edge/support.ts";
import { runtimeArgs } from "../../support/child.ts";

describe("bench/telemetry.ts", () => {
  it("sets every contestant beside the one without telemetry", { timeout: 60_000 }, async () => {
    const { code, stdout, stderr } = await run([
      ...[process.execPath, ...runtimeArgs(), "--no-check", "bench/telemetry.ts"],
      ...["--runtimes", "deno", "--messages", "20000", "--rounds", "1"],
    ]);
    assert.equal(code, 0, stderr);
    const rows = stdout.split("\n").filter((line) => line.includes("| deno "))
      .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
    assert.deepEqual(rows.map(([name]) => name), [
      "no telemetry at all",
      "no SDK registered",
      "SDK of metrics",
      "SDK, AlwaysOff sampler",
      "SDK, recording, no exporter",
    ]);
    const [none, ...others] = rows.map((cells) => cells[4]!);
    assert.equal(none, "-");
    for (const ratio of others) assert.match(ratio, /^\d+\.\d\d \(/);
  });
});
