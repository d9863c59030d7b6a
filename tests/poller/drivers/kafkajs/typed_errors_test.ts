import assert from "node:assert/strict";
import errorsModule from "kafkajs/src/errors.js";
import { describe, it } from "#std/testing/bdd";
import {
  AuthenticationError,
  CommitError,
  ConnectionError,
  DriverError,
} from "../../../../src/errors.ts";
import { createErrorFromCode } from "../../../../src/poller/drivers/kafkajs/internals.ts";
import {
  isMembershipLost,
  isRebalancing,
  rootOf,
  typedError,
} from "../../../../src/poller/drivers/kafkajs/typed_errors.ts";

type ErrorClass = new (message: string | Error, extra?: unknown) => Error;
const kafkajs = errorsModule as unknown as Record<string, ErrorClass>;

const make = (name: string, message = "what happened", extra: unknown = {}) =>
  new kafkajs[name]!(message, extra);

/** As a retrier of kafkajs gives up on an error. */
const givenUp = (error: Error) =>
  Object.assign(
    new kafkajs.KafkaJSNumberOfRetriesExceeded!(error, { retryCount: 0, retryTime: 1 }),
    { cause: error },
  );

describe("rootOf()", () => {
  it("finds what kafkajs has wrapped", () => {
    const root = createErrorFromCode(27);
    assert.equal(rootOf(root), root);
    assert.equal(rootOf(givenUp(givenUp(root))), root);
  });

  it("ends on causes in a circle, and on what is no error", () => {
    const circle = new Error("x");
    circle.cause = circle;
    assert.equal(rootOf(circle), circle);
    assert.equal(rootOf("text"), "text");
    assert.equal(rootOf(undefined), undefined);
    const odd = new Error("x", { cause: "text" });
    assert.equal(rootOf(odd), odd);
  });
});

describe("isMembershipLost() and isRebalancing()", () => {
  it("tell the group's answers apart, wrapped or not", () => {
    const cases: [number, boolean, boolean][] = [
      [22, true, false], // ILLEGAL_GENERATION
      [25, true, false], // UNKNOWN_MEMBER_ID
      [82, true, false], // FENCED_INSTANCE_ID
      [27, false, true], // REBALANCE_IN_PROGRESS
      [16, false, false], // NOT_COORDINATOR_FOR_GROUP
      [15, false, false], // GROUP_COORDINATOR_NOT_AVAILABLE
    ];
    for (const [code, lost, rebalancing] of cases) {
      for (const error of [createErrorFromCode(code), givenUp(createErrorFromCode(code))]) {
        assert.deepEqual([isMembershipLost(error), isRebalancing(error)], [lost, rebalancing]);
      }
    }
  });
});

describe("typedError()", () => {
  it("takes what cannot be reached for something that may come back", () => {
    for (
      const error of [
        make("KafkaJSConnectionError"),
        make("KafkaJSConnectionClosedError"),
        make("KafkaJSRequestTimeoutError"),
        make("KafkaJSBrokerNotFound"),
        make("KafkaJSLockTimeout"),
        givenUp(make("KafkaJSConnectionError")),
      ]
    ) {
      const typed = typedError("poll", error);
      assert.ok(ConnectionError.is(typed), error.name);
      assert.deepEqual([typed.retriable, typed.cause], [true, error]);
      assert.match(typed.message, /^Cannot poll: what happened/);
    }
  });

  it("takes refusals for what stays refused", () => {
    const sasl = typedError("connect", make("KafkaJSSASLAuthenticationError"));
    assert.ok(AuthenticationError.is(sasl));
    assert.deepEqual([sasl.code, sasl.retriable], ["AUTHENTICATION_FAILED", false]);
    // 58: SASL_AUTHENTICATION_FAILED, 33: UNSUPPORTED_SASL_MECHANISM, 34: ILLEGAL_SASL_STATE
    for (const code of [58, 33, 34]) {
      assert.ok(AuthenticationError.is(typedError("connect", givenUp(createErrorFromCode(code)))));
    }
    // 29: topic, 30: group, 31: cluster
    for (const code of [29, 30, 31]) {
      const typed = typedError("poll", createErrorFromCode(code));
      assert.ok(AuthenticationError.is(typed));
      assert.deepEqual([typed.code, typed.retriable], ["AUTHORIZATION_FAILED", false]);
    }
  });

  it("believes the protocol's errors, and not the retriers, about trying again", () => {
    // 14: GROUP_LOAD_IN_PROGRESS, 6: NOT_LEADER_FOR_PARTITION; 42: INVALID_REQUEST, 24: INVALID_GROUP_ID
    for (const [code, retriable] of [[14, true], [6, true], [42, false], [24, false]] as const) {
      const typed = typedError("poll", givenUp(createErrorFromCode(code)));
      assert.ok(DriverError.is(typed));
      assert.equal(typed.retriable, retriable, `code ${code}`);
    }
    for (const name of ["KafkaJSNotImplemented", "KafkaJSServerDoesNotSupportApiKey"]) {
      assert.equal(typedError("poll", make(name)).retriable, false);
    }
  });

  it("takes a defect of kafkajs for what a new connection may mend", () => {
    for (const error of [new TypeError("x is undefined"), make("KafkaJSNonRetriableError")]) {
      const typed = typedError("poll", error);
      assert.ok(DriverError.is(typed));
      assert.deepEqual([typed.code, typed.retriable], ["DRIVER_FAILED", true]);
    }
  });

  it("leaves typed errors as they are, also those that kafkajs has wrapped", () => {
    const ours = new CommitError("Cannot commit");
    assert.equal(typedError("poll", ours), ours);
    assert.equal(typedError("poll", givenUp(ours)), ours);
  });

  it("takes anything that is thrown", () => {
    for (const thrown of ["text", 5, undefined, null]) {
      const typed = typedError("poll", thrown);
      assert.ok(DriverError.is(typed));
      assert.equal(typed.message, `Cannot poll: ${thrown}`);
    }
  });
});
