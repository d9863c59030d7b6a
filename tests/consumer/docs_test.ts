import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "#std/testing/bdd";
import { HandlerError } from "../../src/errors.ts";
import { DeadLetters } from "../../src/poller/work/dead_letters.ts";
import { createLane } from "../../src/poller/work/lane.ts";
import { Task } from "../../src/poller/work/task.ts";
import { WorkPartition } from "../../src/poller/work/work_partition.ts";
import { consumerStatsOf } from "../../src/program/consumer_stats.ts";
import { encodeError } from "../../src/threads/error_wire.ts";
import { tableOfRecords } from "../../src/threads/records.ts";

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const text = await read("docs/consumers.md");

/** The names in the first cells of a section's tables, table by table. */
function namesBelow(heading: string): string[][] {
  const start = text.indexOf(`\n## ${heading}\n`);
  assert.ok(start >= 0, heading);
  const section = text.slice(start).split("\n## ")[1]!;
  return section.split(/\n(?!\|)/).map((part) => part.split("\n"))
    .map((lines) => lines.filter((line) => line.startsWith("|")).slice(2))
    .filter((rows) => rows.length > 0)
    .map((rows) => rows.flatMap((row) => row.split("|")[1]!.match(/[\w.-]+(?=`)/g) ?? []));
}

/** The properties of an interface, by the text of its source. */
async function propertiesOf(path: string, ...interfaces: string[]): Promise<string[]> {
  const source = await read(path);
  return interfaces.flatMap((name) => {
    const body = new RegExp(`^export interface ${name}\\b.*?^}`, "ms").exec(source)![0];
    return Array.from(body.matchAll(/^ {2}(?:readonly )?"?([\w-]+)"?\??:/gm), ([, name]) => name!);
  });
}

describe("docs/consumers.md", () => {
  it("lists every option", async () => {
    const path = "src/options/consumer_options.ts";
    const [all, parallel, errors] = namesBelow("Options");
    const expected = await propertiesOf(
      path,
      "ConsumerOptions",
      "OrderedOptions",
      "SchemaOptions",
      "BatchHandlerOptions",
    );
    assert.deepEqual(all!.toSorted(), expected.toSorted());
    const more = await propertiesOf(path, "ParallelOptions");
    assert.deepEqual(parallel!.toSorted(), more.filter((name) => name !== "commit").toSorted());
    const backoff = await propertiesOf(path, "BackoffOptions");
    assert.deepEqual(
      errors!.toSorted(),
      (await propertiesOf(path, "ErrorPolicy")).filter((name) => name !== "backoff")
        .concat(backoff.map((name) => `backoff.${name}`)).toSorted(),
    );
  });

  it("lists the options of the connection", async () => {
    const paragraph = text.slice(text.indexOf("Those of the connection")).split("stand beside")[0]!;
    assert.deepEqual(
      Array.from(paragraph.matchAll(/`(\w+)`/g), ([, name]) => name).toSorted(),
      (await propertiesOf("src/options/kafka_options.ts", "KafkaOptions")).toSorted(),
    );
  });

  it("lists what a handler module exports", async () => {
    const [names] = namesBelow("A handler that is a module");
    assert.deepEqual(
      names!.toSorted(),
      (await propertiesOf("src/handler.ts", "HandlerModule")).toSorted(),
    );
  });

  it("lists the headers of dead letters, in their order", async () => {
    const stored = Promise.withResolvers<string[]>();
    const deadLetters = new DeadLetters({
      groupId: "shop.orders",
      topic: "{topic}.dead-letter",
      produce: ([record]) => {
        stored.resolve(Array.from(record!.headers ?? [], ({ key }) => key));
        return Promise.resolve();
      },
      stored: () => {},
      failed: stored.reject,
      dropped: () => {},
    });
    const table = tableOfRecords([{ offset: 0, timestamp: 0, key: null, value: null }], 0);
    const partition = new WorkPartition({ topic: "t", partition: 0 }, {
      epoch: 1,
      assignment: 0,
      order: "none",
      metadataBytes: 0,
      countsHanded: false,
      predecessor: null,
    });
    const error = encodeError(new HandlerError("It failed"));
    deadLetters.add({
      task: new Task(partition, createLane(null, false), 0, table, 0, 0),
      failure: { batch: 0, index: 0, count: 1, kind: "failed", retriable: true, error },
    });
    assert.deepEqual(namesBelow("Errors, retries, dead letters")[0], await stored.promise);
  });

  it("lists the events", async () => {
    const [names] = namesBelow("Events");
    assert.deepEqual(names, await propertiesOf("src/consumer_events.ts", "ConsumerEvents"));
  });

  it("lists the figures of handlers", () => {
    const { handlers } = consumerStatsOf("name", "idle", null);
    assert.deepEqual(
      namesBelow("Stats and health")[0]!.toSorted(),
      Object.keys(handlers).toSorted(),
    );
  });
});
