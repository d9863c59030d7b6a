import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { BatchError, HandlerError, MessageError } from "../../src/errors.ts";
import type { StandardSchema } from "../../src/handler.ts";
import { decodeError } from "../../src/threads/error_wire.ts";
import { ExecutorRig } from "./rig.ts";
import { workBatch } from "./work.ts";

/** A schema that wants objects with a number `id`. */
const schema: StandardSchema = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof (value as { id?: unknown })?.id === "number"
        ? { value: { ...value as object, checked: true } }
        : { issues: [{ message: "a number", path: ["id", { key: 0 }] }, { message: "so there" }] },
  },
};

describe("A failure in an executor", () => {
  it("is reported with its cause and position, and the rest of its run is given back", async () => {
    const cause = new TypeError("no way");
    const rig = new ExecutorRig({
      handler: (_context: unknown, data: unknown) => {
        if (data === "bad") throw cause;
      },
    });
    await rig.work(workBatch(2, ['"good"', '"bad"', '"good"', '"good"'], { runs: [3, 1] }));
    assert.deepEqual(rig.finished.toSorted(), ["2:0", "2:3"]);
    assert.deepEqual(rig.failed, ["2:1 failed"]);
    assert.deepEqual(rig.released, ["2:2"]);
    const [failure] = rig.failures;
    assert.equal(failure!.retriable, true);
    const error = decodeError(failure!.error);
    assert(HandlerError.is(error));
    assert.equal(
      error.message,
      'The handler failed at "orders" partition 3 offset 201: no way',
    );
    const { topic, partition, offset, retriable } = error;
    assert.deepEqual({ topic, partition, offset, retriable }, {
      topic: "orders",
      partition: 3,
      offset: 201,
      retriable: true,
    });
    assert(error.cause instanceof TypeError);
  });

  it("is the same of a handler that rejects", async () => {
    const rig = new ExecutorRig({ handler: () => Promise.reject("only text") });
    await rig.work(workBatch(0, [1, 2], { runs: [2] }));
    assert.deepEqual(rig.failed, ["0:0 failed"]);
    assert.deepEqual(rig.released, ["0:1"]);
    assert.match(decodeError(rig.failures[0]!.error).message, /offset 0: only text$/);
  });

  it("is not worth another attempt where the error or retryIf says so", async () => {
    const asked: unknown[] = [];
    const rig = new ExecutorRig({
      handler: (_context: unknown, data: unknown) => {
        throw data;
      },
      retryIf: (error, message) => {
        asked.push([error, message.offset]);
        if (error === "broken") throw new Error("retryIf does not work");
        return error === "yes";
      },
    });
    await rig.work(workBatch(0, [{ retriable: false }, '"yes"', '"no"', '"broken"']));
    assert.deepEqual(rig.failures.map(({ retriable }) => retriable), [false, true, false, true]);
    assert.deepEqual(asked, [["yes", 1], ["no", 2], ["broken", 3]]);
    assert.match(rig.logger.lines[0]!.message, /^retryIf has failed/);
  });

  it("of a message that is not JSON is an invalid message", async () => {
    const rig = new ExecutorRig({ options: { skipsInvalid: false } });
    await rig.work(workBatch(0, ["{", "1"], { runs: [2] }));
    assert.deepEqual(rig.failed, ["0:0 invalid"]);
    assert.deepEqual(rig.released, ["0:1"]);
    const error = decodeError(rig.failures[0]!.error);
    assert(MessageError.is(error));
    assert.match(
      error.message,
      /^Cannot parse the value at "orders" partition 3 offset 0 as JSON: /,
    );
    assert(error.cause instanceof SyntaxError);
  });

  it("of a message that is invalid does not end a run that goes on behind such", async () => {
    const rig = new ExecutorRig({ options: { skipsInvalid: true } });
    await rig.work(workBatch(0, ["1", "{", "3"], { runs: [3] }));
    assert.deepEqual(rig.failed, ["0:1 invalid"]);
    assert.deepEqual(rig.finished, ["0:0", "0:2"]);
  });

  for (const later of [false, true]) {
    const when = later ? "later" : "at once";
    it(`of a decoder or a schema that answers ${when} is an invalid message`, async () => {
      const got: unknown[] = [];
      const answer = (value: unknown) => later ? Promise.resolve(value) : value;
      const rig = new ExecutorRig({
        decode: (bytes) => {
          const text = new TextDecoder().decode(bytes);
          if (text === "{") {
            const error = new RangeError("no such bytes");
            if (later) return Promise.reject(error);
            throw error;
          }
          return answer(JSON.parse(text));
        },
        schema: {
          "~standard": {
            ...schema["~standard"],
            validate: (value) => answer(schema["~standard"].validate(value)) as never,
          },
        },
        handler: (_context: unknown, data: unknown) => got.push(data),
      });
      await rig.work(workBatch(0, ["{", { id: "a" }, { id: 7 }, null]));
      assert.deepEqual(rig.failed.toSorted(), ["0:0 invalid", "0:1 invalid", "0:3 invalid"]);
      assert.deepEqual(rig.finished, ["0:2"]);
      assert.deepEqual(got, [{ id: 7, checked: true }]);
      const texts = rig.failures.toSorted((a, b) => a.index - b.index)
        .map(({ error }) => decodeError(error).message);
      assert.deepEqual(texts.slice(0, 2), [
        'Cannot decode the value at "orders" partition 3 offset 0: no such bytes',
        'The value at "orders" partition 3 offset 1 is not what the schema wants: ' +
        "id.0: a number; so there",
      ]);
    });
  }

  it("leaves a null value alone, which is data null and not decoded", async () => {
    const got: unknown[] = [];
    for (const decode of [undefined, () => assert.fail()]) {
      const rig = new ExecutorRig({
        decode,
        handler: (_: unknown, data: unknown) => got.push(data),
      });
      await rig.work(workBatch(0, [null]));
      assert.deepEqual(rig.finished, ["0:0"]);
    }
    assert.deepEqual(got, [null, null]);
  });
});

describe("A batch in an executor", () => {
  const rigOf = (
    handler: (context: { attempt: number }, data: number[], messages: unknown[]) => unknown,
    skipsInvalid = true,
  ) =>
    new ExecutorRig({
      handler: handler as never,
      options: { batches: true, batchSize: 4, skipsInvalid },
    });

  it("is one call for each run, with the highest attempt", async () => {
    const calls: unknown[] = [];
    const rig = rigOf(({ attempt }, data, { length }) => calls.push([attempt, data, length]));
    await rig.work(workBatch(0, [1, 2, 3, 4], { runs: [3, 1], attempts: [1, 3, 2, 1] }));
    assert.deepEqual(calls, [[3, [1, 2, 3], 3], [1, [4], 1]]);
    assert.deepEqual(rig.finished, ["0:0", "0:1", "0:2", "0:3"]);
    assert.deepEqual(rig.begun, ["0:0", "0:1", "0:2", "0:3"]);
  });

  it("that fails as a whole is one failure", async () => {
    for (const error of [new Error("all"), new BatchError(4), new BatchError(-1)]) {
      const rig = rigOf(() => {
        throw error;
      });
      await rig.work(workBatch(0, [1, 2, 3, 4], { runs: [4] }));
      assert.deepEqual(rig.failures.map(({ index, count }) => ({ index, count })), [
        { index: 0, count: 4 },
      ]);
      const { message } = decodeError(rig.failures[0]!.error);
      assert.match(message, /^The handler failed at "orders" partition 3 offset 0 and 3 more: /);
      if (error instanceof BatchError) {
        assert.match(
          message,
          /the index of that BatchError is -?\d, and the batch had 4 messages$/,
        );
      }
    }
  });

  it("whose handler says which message failed has finished those before", async () => {
    for (const later of [false, true]) {
      const cause = Object.assign(new Error("this one"), { retriable: false });
      const rig = rigOf(() => {
        const error = new BatchError(1, { cause });
        if (later) return Promise.reject(error);
        throw error;
      });
      await rig.work(workBatch(0, [1, 2, 3, 4], { runs: [4] }));
      assert.deepEqual(rig.finished, ["0:0"]);
      assert.deepEqual(rig.failed, ["0:1 failed"]);
      assert.deepEqual(rig.released, ["0:2", "0:3"]);
      assert.equal(rig.failures[0]!.retriable, false);
    }
  });

  it("leaves invalid messages out that are passed over", async () => {
    const calls: unknown[] = [];
    const rig = rigOf((_context, data) => {
      calls.push(data);
      throw new BatchError(1);
    });
    await rig.work(workBatch(0, ["1", "{", "3", "4"], { runs: [4] }));
    assert.deepEqual(calls, [[1, 3, 4]]);
    assert.deepEqual(rig.finished, ["0:0"]);
    assert.deepEqual(rig.failed.toSorted(), ["0:1 invalid", "0:2 failed"]);
    assert.deepEqual(rig.released, ["0:3"]);
  });

  it("that fails as a whole around an invalid message fails in two parts", async () => {
    const rig = rigOf(() => Promise.reject(new Error("all")));
    await rig.work(workBatch(0, ["1", "{", "3", "4"], { runs: [4] }));
    assert.deepEqual(rig.failed.toSorted(), [
      "0:0 failed",
      "0:1 invalid",
      "0:2 failed",
      "0:3 failed",
    ]);
  });

  it("ends before an invalid message that is not passed over", async () => {
    const calls: unknown[] = [];
    const rig = rigOf((_context, data) => calls.push(data), false);
    await rig.work(workBatch(0, ["1", "2", "{", "4"], { runs: [4] }));
    assert.deepEqual(calls, [[1, 2]]);
    assert.deepEqual(rig.finished, ["0:0", "0:1"]);
    assert.deepEqual(rig.failed, ["0:2 invalid"]);
    assert.deepEqual(rig.released, ["0:3"]);
  });

  it("of nothing but invalid messages is no call", async () => {
    const rig = rigOf(() => assert.fail());
    await rig.work(workBatch(0, ["{", "{"], { runs: [2] }));
    assert.deepEqual(rig.failed, ["0:0 invalid", "0:1 invalid"]);
  });
});
