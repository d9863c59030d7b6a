import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { HandlerError } from "../../src/errors.ts";
import { decodeFields, encodeFields } from "../../src/threads/log_fields.ts";

/** What fields are after they have crossed. */
const crossed = (fields: Record<string, unknown>) =>
  decodeFields(structuredClone(encodeFields(fields)));

describe("Fields of a log line", () => {
  it("are the same on the other side", () => {
    const fields = {
      offset: 7,
      topic: "orders",
      list: [1, { a: null }],
      when: new Date(5),
      no: undefined,
    };
    assert.deepEqual(crossed(fields), fields);
  });

  it("keep errors", () => {
    const { error } = crossed({ error: new HandlerError("It fails", { topic: "t", offset: 3 }) });
    assert(HandlerError.is(error));
    assert.equal(error.offset, 3);
  });

  it("become text where they cannot be cloned", () => {
    const circle: Record<string, unknown> = { call: () => {} };
    circle.itself = circle;
    assert.deepEqual(crossed({ a: { name: "a", call: () => {} }, symbol: Symbol("s"), circle }), {
      a: '{"name":"a"}',
      symbol: "Symbol(s)",
      circle: "something that cannot be printed",
    });
  });
});
