import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { DriverError } from "../../../../src/errors.ts";
import { settingsOf } from "../../../../src/poller/drivers/kafkajs/settings.ts";
import { driverContext } from "./context.ts";

const MIB = 1024 * 1024;

describe("settingsOf()", () => {
  it("fills in defaults, and fetches no more than the poller wants to hold", () => {
    const settings = settingsOf(driverContext());
    assert.deepEqual([settings.maxBytes, settings.maxBytesPerPartition], [10 * MIB, MIB]);
    assert.deepEqual([settings.isolationLevel, settings.maxWaitTimeInMs], [1, 500]);
    assert.equal(settings.allowAutoTopicCreation, false);
    const small = settingsOf(driverContext({ maxBytes: 1_000 }));
    assert.deepEqual([small.maxBytes, small.maxBytesPerPartition], [1_000, 1_000]);
  });

  it("takes what driverOptions say", () => {
    const driverOptions = { maxBytes: 5, rackId: "r1", isolationLevel: 0, retry: { retries: 2 } };
    const settings = settingsOf(driverContext({ driverOptions }));
    assert.deepEqual(
      Object.keys(driverOptions).map((name) => settings[name as keyof typeof settings]),
      Object.values(driverOptions),
    );
  });

  it("takes undefined for what is not given", () => {
    const settings = settingsOf(driverContext({ driverOptions: { maxBytes: undefined } }));
    assert.equal(settings.maxBytes, 10 * MIB);
  });

  it("refuses options that it does not know, all of them at once", () => {
    for (const name of ["maxbytes", "brokers", "toString", "constructor"]) {
      assert.throws(
        () => settingsOf(driverContext({ driverOptions: { [name]: 1, other: 2, rackId: "" } })),
        (error) => {
          assert.ok(DriverError.is(error));
          assert.deepEqual([error.code, error.retriable], ["DRIVER_INVALID", false]);
          assert.ok(
            error.message.startsWith(
              `Cannot use driverOptions "${name}", "other": the kafkajs driver`,
            ),
            error.message,
          );
          assert.match(error.message, /knows connectionTimeout, .*, maxWaitTimeInMs$/);
          return true;
        },
      );
    }
  });
});
