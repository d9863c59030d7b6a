import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "#std/testing/bdd";
import { APIS } from "../../src/testing/protocol/registry.ts";
import { DIFFERENCES } from "./conformance/differences.ts";

/** The rows of the table below a heading, without their alignment. */
async function rowsBelow(heading: string): Promise<string[][]> {
  const text = await readFile(new URL("../../docs/testing.md", import.meta.url), "utf8");
  const section = text.slice(text.indexOf(`\n## ${heading}\n`)).split("\n## ")[1]!;
  return section.split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
    .slice(2);
}

describe("docs/testing.md", () => {
  it("lists what the broker speaks, as its registry has it", async () => {
    const spoken = Object.values(APIS).map(({ name, key, minVersion, maxVersion }) => [
      name,
      `${key}`,
      minVersion === maxVersion ? `${minVersion}` : `${minVersion} to ${maxVersion}`,
    ]);
    assert.deepEqual(await rowsBelow("What it speaks"), spoken);
  });

  it("tells the differences that the conformance suite proves", async () => {
    const proved = DIFFERENCES.map(({ about, embedded, apache }) => [about, embedded, apache]);
    assert.deepEqual(await rowsBelow("Where it differs from Apache Kafka"), proved);
  });
});
