import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "#std/testing/bdd";
import { SpanKind } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { CommitError } from "../../src/errors.ts";
import { ATTRIBUTES, METRICS, SCOPE, SPANS } from "../../src/telemetry/names.ts";
import { ExecutorRig } from "../executor/rig.ts";
import { workBatch } from "../executor/work.ts";
import { batch, PollerRig } from "../poller/poller_rig.ts";
import { TestSdk } from "./sdk.ts";

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const text = await read("docs/telemetry.md");

/** The rows of the table whose first column has this title, as cells without quotes. */
function rowsOf(title: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => new RegExp(`^\\| ${title} +\\|`).test(line));
  assert(start >= 0, title);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))
  );
}

/** Spans of everything that has one, and that fails in every way. */
async function allSpans(): Promise<ReadableSpan[]> {
  using sdk = new TestSdk();
  const handler = (_context: unknown, data: unknown) => {
    if (data === 2) throw new Error("no");
  };
  await new ExecutorRig({ handler }).work(workBatch(0, [1, 2, null]));
  await new ExecutorRig({
    handler: () => {
      throw new Error("no");
    },
    options: { batches: true, batchSize: 9 },
  }).work(workBatch(0, [1, 2], { runs: [2] }));
  const rig = new PollerRig({ commitIntervalMs: null });
  const driver = await rig.begin(0);
  driver.commitsAtOnce = false;
  (await driver.polls.next()).fail(new Error("no"));
  (await driver.polls.next()).answer([batch(0, [0])]);
  const { epoch } = await rig.next("batch");
  rig.post({ type: "commit", id: 1, topic: "t", partition: 0, epoch, offset: 0 });
  (await driver.commits.next()).fail(new CommitError("no"));
  await rig.next("commit-failed");
  await rig.end();
  return sdk.spans;
}

/** What the documentation calls a span in its table of attributes. */
function wordOf({ name, attributes }: ReadableSpan): string {
  if (name.startsWith("process ")) return "offset" in shortened(attributes) ? "message" : "batch";
  const words: Record<string, string> = {
    [SPANS.consume]: "poll",
    [SPANS.put]: "put",
    [SPANS.commit]: "commit",
  };
  return words[name] ?? "pump";
}

function shortened(attributes: object): object {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name.split(".").at(-1)!, value]),
  );
}

describe("docs/telemetry.md", () => {
  it("has each span, with its kind, and the attributes that it really has", async () => {
    const spans = await allSpans();
    const kinds = new Map(
      spans.map(({ name, kind }) => [
        name.replace("orders", "{topic}").replace("test.", "{name}."),
        SpanKind[kind]!.toLowerCase(),
      ]),
    );
    assert.deepEqual(
      rowsOf("span").map(([name, kind]) => [name, kind]).toSorted(),
      [...kinds].toSorted(),
    );
    const on = new Map<string, Set<string>>();
    for (const span of spans) {
      for (const name of Object.keys(span.attributes)) {
        on.set(name, (on.get(name) ?? new Set()).add(wordOf(span)));
      }
    }
    assert.deepEqual(
      rowsOf("attribute").map(([name, where]) => [name, where!.split(", ").toSorted()]).toSorted(),
      Array.from(on, ([name, where]) => [name, [...where].toSorted()]).toSorted(),
    );
    assert.deepEqual([...on.keys()].toSorted(), Object.values(ATTRIBUTES).toSorted());
  });

  it("has each metric", () => {
    assert.deepEqual(rowsOf("metric").map(([name]) => name), Object.values(METRICS));
  });
});

describe("SCOPE", () => {
  it("has the version of the package, and of the conventions that the documentation names", async () => {
    assert.equal(SCOPE.version, JSON.parse(await read("package.json")).version);
    assert(text.includes(`version\n${SCOPE.schemaUrl.split("/").at(-1)}`));
  });
});
