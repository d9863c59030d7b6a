import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import * as errors from "../src/errors.ts";
import {
  HandlerError,
  isKafkaThreadsError,
  KafkaThreadsError,
  OptionsError,
} from "../src/errors.ts";

const defaults = [
  ["KafkaThreadsError", "FAILED", false],
  ["HandlerError", "HANDLER_FAILED", false],
  ["ConnectionError", "CONNECTION_FAILED", true],
  ["AuthenticationError", "AUTHENTICATION_FAILED", false],
  ["TopicNotFoundError", "TOPIC_NOT_FOUND", false],
  ["ThreadError", "THREAD_DIED", false],
  ["DriverError", "DRIVER_FAILED", false],
  ["CommitError", "COMMIT_FAILED", true],
  ["LostPartitionError", "PARTITION_LOST", false],
  ["StartTimeoutError", "START_TIMEOUT", true],
  ["StopTimeoutError", "STOP_TIMEOUT", false],
  ["RetryBudgetError", "RETRY_BUDGET_EXHAUSTED", false],
  ["StateError", "INVALID_STATE", false],
  ["MessageError", "INVALID_MESSAGE", false],
] as const;

describe("errors", () => {
  for (const [name, code, retriable] of defaults) {
    it(`${name} has its name, code and position`, () => {
      const cause = new Error("why");
      const position = { topic: "orders", partition: 0, offset: 7 };
      const error: KafkaThreadsError = new errors[name]("Cannot do it", { cause, ...position });
      assert.equal(error.name, name);
      assert.equal(error.code, code);
      assert.equal(error.retriable, retriable);
      assert.equal(error.cause, cause);
      assert.deepEqual([error.topic, error.partition, error.offset], ["orders", 0, 7]);
      assert.equal(String(error), `${name}: Cannot do it`);
      assert.ok(error instanceof Error && error instanceof KafkaThreadsError);
      assert.ok(error.stack?.includes("Cannot do it"));
    });
  }

  it("take another code and retriable", () => {
    const error = new errors.ThreadError("x", { code: "NO_WORKER", retriable: true });
    assert.deepEqual([error.code, error.retriable], ["NO_WORKER", true]);
  });

  it("have no cause and no position that they were not given", () => {
    const error = new HandlerError("x");
    assert.deepEqual(Object.keys(error).sort(), ["code", "retriable"]);
    assert.ok(!("cause" in error));
    assert.ok("cause" in new HandlerError("x", { cause: undefined }));
  });

  it("of topics list them", () => {
    assert.deepEqual(new errors.TopicNotFoundError("x", { topics: ["a", "b"] }).topics, ["a", "b"]);
    assert.deepEqual(new errors.TopicNotFoundError("x", { topic: "a" }).topics, ["a"]);
  });

  it("of options list every issue on a line of its own", () => {
    const error = new OptionsError([
      { option: "consumer.topics[0]", value: '"a b"', expected: "a topic name" },
      { option: "", value: "3", expected: "an object" },
    ]);
    assert.equal(error.code, "INVALID_OPTIONS");
    assert.deepEqual(error.message.split("\n"), [
      "Cannot use the given options: 2 wrong",
      '  option "consumer.topics[0]" is "a b", expected a topic name',
      "  the options are 3, expected an object",
    ]);
  });
});

describe("is()", () => {
  it("tells the classes apart", () => {
    const error = new HandlerError("x");
    assert.ok(HandlerError.is(error));
    assert.ok(KafkaThreadsError.is(error));
    assert.ok(isKafkaThreadsError(error));
    assert.ok(!OptionsError.is(error));
    assert.ok(!KafkaThreadsError.is(new Error("x")));
  });

  it("knows errors of another copy of the library", () => {
    const foreign = new Error("x");
    Object.defineProperty(foreign, Symbol.for("kafka-threads.error"), { value: "HandlerError" });
    assert.ok(!(foreign instanceof KafkaThreadsError));
    assert.ok(HandlerError.is(foreign));
    assert.ok(KafkaThreadsError.is(foreign));
  });

  it("knows the user's own subclasses", () => {
    class PaymentError extends HandlerError {}
    assert.ok(PaymentError.is(new PaymentError("x")));
    assert.ok(HandlerError.is(new PaymentError("x")));
    assert.ok(!PaymentError.is(new HandlerError("x")));
  });

  it("takes anything", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [undefined, null, 1, "x", Symbol("x"), () => {}, {}, [], proxy]) {
      assert.ok(!isKafkaThreadsError(value));
      assert.ok(!HandlerError.is(value));
    }
  });
});
