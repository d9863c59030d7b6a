import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import * as errors from "../../src/errors.ts";
import { decodeError, encodeError } from "../../src/threads/error_wire.ts";

const across = (value: unknown): Error => decodeError(structuredClone(encodeError(value)));

const simple = [
  "KafkaThreadsError",
  "HandlerError",
  "ConnectionError",
  "AuthenticationError",
  "TopicNotFoundError",
  "ThreadError",
  "DriverError",
  "CommitError",
  "LostPartitionError",
  "StartTimeoutError",
  "StopTimeoutError",
  "RetryBudgetError",
  "StateError",
  "MessageError",
  "HandlerTimeoutError",
  "DeadLetterError",
] as const;

describe("decodeError(encodeError()) keeps", () => {
  it("every class of this library", () => {
    const { OptionsError, BatchError, isKafkaThreadsError: _, ...classes } = errors;
    // A new class must be added to the table in error_wire.ts, and to the one here.
    assert.deepEqual(Object.keys(classes).sort(), [...simple].sort());
    for (const name of simple) {
      const error = new errors[name]("x", { topic: "t", partition: 1, offset: 2 });
      const back = across(error);
      assert.equal(Object.getPrototypeOf(back), errors[name].prototype);
      assert.deepEqual({ ...back }, { ...error });
      assert.deepEqual([back.name, back.message, back.stack], [name, "x", error.stack]);
    }
    const issues = [{ option: "a", value: "1", expected: "b" }];
    const back = across(new OptionsError(issues));
    assert.ok(back instanceof OptionsError);
    assert.deepEqual(back.issues, issues);
    const failed = across(new BatchError(3, { cause: new TypeError("y") }));
    assert.ok(failed instanceof BatchError);
    assert.equal(failed.index, 3);
    assert.ok(failed.cause instanceof TypeError);
  });

  it("the classes of the language", () => {
    for (
      const Class of [
        Error,
        TypeError,
        RangeError,
        SyntaxError,
        ReferenceError,
        URIError,
        EvalError,
      ]
    ) {
      const error = new Class("x");
      const back = across(error);
      assert.equal(Object.getPrototypeOf(back), Class.prototype);
      assert.equal(back.name, Class.name);
      assert.equal(back.stack, error.stack);
      assert.deepEqual(Object.keys(back), []);
    }
  });

  it("the reason of an aborted signal", () => {
    const back = across(AbortSignal.abort().reason);
    assert.ok(back instanceof DOMException);
    assert.equal(back.name, "AbortError");
    assert.equal(back.code, 20);
  });

  it("the name and fields of other errors", () => {
    class KafkaJSError extends TypeError {
      override name = "KafkaJSError";
      code = "ECONNREFUSED";
      retriable = true;
      broker = "localhost:9092";
      nested = { list: [1n, new Date(5), new Uint8Array([1, 2])], error: new RangeError("inner") };
      onRetry = () => {};
      id = Symbol("x");
      pending = Promise.resolve();
    }
    const back = across(new KafkaJSError("x")) as KafkaJSError;
    assert.ok(back instanceof TypeError);
    assert.equal(back.name, "KafkaJSError");
    assert.deepEqual([back.code, back.retriable, back.broker], [
      "ECONNREFUSED",
      true,
      "localhost:9092",
    ]);
    assert.deepEqual(back.nested.list, [1n, new Date(5), new Uint8Array([1, 2])]);
    assert.ok(back.nested.error instanceof RangeError);
    assert.deepEqual(["onRetry" in back, "id" in back, "pending" in back], [false, false, false]);
  });

  it("a code that is a getter of the class", () => {
    class Coded extends Error {
      get code() {
        return "E_X";
      }
    }
    assert.equal((across(new Coded("x")) as Coded).code, "E_X");
  });

  it("causes, whatever they are", () => {
    const back = across(
      new errors.HandlerError("outer", {
        cause: new TypeError("middle", { cause: { plain: [1, "two"] } }),
      }),
    );
    assert.ok(back.cause instanceof TypeError);
    assert.deepEqual(back.cause.cause, { plain: [1, "two"] });
    assert.ok(!Object.keys(back).includes("cause"));
    assert.equal(across(new Error("x", { cause: "text" })).cause, "text");
    assert.equal(across(new Error("x", { cause: null })).cause, null);
    assert.ok("cause" in across(new Error("x", { cause: undefined })));
    assert.ok(!("cause" in across(new Error("x"))));
    assert.equal(across(new Error("x", { cause: Symbol("s") })).cause, "Symbol(s)");
  });

  it("the errors of an AggregateError", () => {
    const back = across(new AggregateError([new TypeError("a"), "b"], "all failed"));
    assert.ok(back instanceof AggregateError);
    assert.equal(back.message, "all failed");
    assert.ok(back.errors[0] instanceof TypeError);
    assert.equal(back.errors[1], "b");
  });

  it("circles", () => {
    const error = new Error("x");
    error.cause = new Error("y", { cause: error });
    const back = across(error);
    assert.equal((back.cause as Error).cause, back);
  });

  it("errors that are true ones, for runtimes that print them", () => {
    const back = across(new errors.HandlerError("x"));
    assert.equal(Object.prototype.toString.call(back), "[object Error]");
    assert.ok(errors.HandlerError.is(structuredCloneable(back)));
  });

  it("whatever fields an error has", () => {
    const value = fc.jsonValue();
    const position = fc.record({
      code: fc.string({ minLength: 1 }),
      topic: fc.string(),
      partition: fc.nat(),
      offset: fc.maxSafeNat(),
      retriable: fc.boolean(),
      cause: value,
    });
    fc.assert(fc.property(fc.string(), position, value, (message, options, extra) => {
      const error = Object.assign(new errors.HandlerError(message, options), { extra });
      const back = across(error);
      assert.ok(back instanceof errors.HandlerError);
      assert.deepEqual({ ...back, stack: back.stack }, { ...error, stack: error.stack });
      assert.equal(back.message, message);
      assert.deepEqual(back.cause, options.cause);
    }));
  });
});

describe("encodeError() takes", () => {
  it("what is no error, as the cause of one", () => {
    for (const thrown of ["x", 5, 5n, undefined, null, true, { code: 4 }]) {
      const back = across(thrown);
      assert.ok(back instanceof Error);
      assert.ok("cause" in back);
      assert.deepEqual(back.cause, thrown);
      assert.match(back.message, /^Something other than an error was thrown: /);
      assert.ok(back.stack);
    }
    assert.equal(across(Symbol("s")).cause, "Symbol(s)");
    assert.match(across(() => {}).message, /=>/);
  });

  it("hostile objects", () => {
    const { proxy, revoke } = Proxy.revocable(new Error("x"), {});
    revoke();
    const refuse = () => {
      throw new Error("no");
    };
    const throwing = Object.defineProperties(new Error("x"), {
      message: { get: refuse },
      stack: { get: refuse },
      name: { get: refuse },
      cause: { get: refuse },
      seen: { get: refuse, enumerable: true },
    });
    const traps = { get: refuse, ownKeys: refuse, getPrototypeOf: refuse, has: refuse };
    const hostile = [
      proxy,
      throwing,
      new Proxy({}, traps),
      new Proxy(new Error("x"), { get: refuse, ownKeys: refuse }),
      Object.create(null),
      { toString: refuse },
      Object.assign(new Error("x"), { name: 5, message: {}, stack: [], code: () => {} }),
      new Error("x", { cause: proxy }),
      Object.assign(new Error("x"), { list: [proxy], byName: { proxy } }),
    ];
    for (const value of hostile) assert.ok(across(value) instanceof Error);
  });

  it("endless causes and huge objects, cut short", () => {
    class Endless extends Error {
      get next() {
        return new Endless("x");
      }
      override get cause() {
        return this.next;
      }
      override set cause(_: unknown) {}
    }
    let depth = 0;
    for (let at: unknown = across(new Endless("x")); at instanceof Error; at = at.cause) depth++;
    assert.ok(depth > 5 && depth < 50, `${depth} causes`);

    const huge = Object.assign(new Error("x"), {
      bytes: new Uint8Array(10_000_000),
      tree: tree(12),
      list: new Array(4_000_000_000),
    });
    const wire = encodeError(huge);
    assert.ok(JSON.stringify(wire).length < 200_000);
    assert.equal(wire.message, "x");
  });

  it("a view of a large buffer without that buffer", () => {
    const view = new Uint8Array(new ArrayBuffer(10_000_000), 5, 2);
    const back = across(Object.assign(new Error("x"), { view })) as Error & { view: Uint8Array };
    assert.equal(back.view.buffer.byteLength, 2);
  });

  it("anything, and gives what can be cloned", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
      withObjectString: true,
      withSparseArray: true,
      withTypedArray: true,
      values: [
        fc.anything(),
        fc.func(fc.nat()),
        fc.constant(Symbol("s")),
        fc.string().map((text) => new errors.CommitError(text)),
      ],
    });
    fc.assert(fc.property(anything, (value) => {
      assert.ok(across(value) instanceof Error);
      assert.ok(
        across(Object.assign(new Error("x", { cause: value }), { value })) instanceof Error,
      );
    }));
  });
});

function tree(depth: number): unknown {
  return depth === 0 ? "leaf" : [tree(depth - 1), tree(depth - 1)];
}

/** Returns the error after showing that it can be cloned again, as when it is logged elsewhere. */
function structuredCloneable(error: Error): Error {
  structuredClone(error);
  return error;
}
