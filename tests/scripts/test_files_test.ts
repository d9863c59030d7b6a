import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { findTests, runtimesOf } from "../../scripts/support/test_files.ts";

describe("findTests()", () => {
  const brokers = async (only: string) => {
    const files = await findTests(only);
    assert.equal(files.length, 1, only);
    return files[0]!.brokers;
  };

  it("has tests of the consumer run on both brokers, however they come to a Kafka", async () => {
    for (const path of ["thread_manager/core_test", "drivers/kafkajs_test", "fault_broker_test"]) {
      assert.deepEqual(await brokers(`${path}.ts`), ["embedded", "apache"], path);
    }
  });

  it("has tests run once that use no Kafka, or the embedded one, or any", async () => {
    for (const path of ["tests/errors_test", "embedded_kafka_test", "edge/examples_test"]) {
      assert.deepEqual(await brokers(`${path}.ts`), ["embedded"], path);
    }
  });

  it("has tests of Apache Kafka run there", async () => {
    assert.deepEqual(await brokers("support/deno/apache_kafka_test.ts"), ["apache"]);
  });

  it("knows tests that are for one runtime", async () => {
    const [bundle] = await findTests("tests/edge/bun/*");
    assert.equal(bundle!.runtime, "bun");
    assert.equal((await findTests("tests/errors_test.ts"))[0]!.runtime, undefined);
  });

  it("knows tests that start processes or threads, however indirectly", async () => {
    const alone = async (only: string) => (await findTests(only)).map(({ alone }) => alone);
    for (const path of ["edge/examples_test", "core_test", "thread_manager/options_test"]) {
      assert.deepEqual(new Set(await alone(path)), new Set([true]), path);
    }
    assert.deepEqual(await alone("tests/threads/varint_test.ts"), [false]);
    assert.deepEqual(await alone("tests/testing/groups/joining_test.ts"), [false]);
  });

  it("fails where nothing matches", async () => {
    await assert.rejects(findTests("no-such-test"), /Cannot find tests: no file matches "no-such-/);
  });
});

describe("runtimesOf()", () => {
  const ALL = ["deno", "bun", "node"] as const;
  const on = async (only: string, broker: "embedded" | "apache", runtimes = ALL) =>
    (await findTests(only)).map((file) => runtimesOf(file, broker, runtimes));

  it("has every runtime run what there is for the embedded broker", async () => {
    for (const path of ["consumer/life_test", "drivers/kafkajs_test", "tests/errors_test"]) {
      assert.deepEqual(await on(path, "embedded"), [ALL], path);
    }
    assert.deepEqual(await on("tests/edge/bun/bundle_test", "embedded"), [["bun"]]);
  });

  it("has every runtime meet Apache Kafka where they meet", async () => {
    for (const path of ["drivers/kafkajs_test", "fault_broker_test", "tests/consumer/core_test"]) {
      assert.deepEqual(await on(path, "apache"), [ALL], path);
    }
    assert.deepEqual(await on("tests/errors_test", "apache"), [[]]);
  });

  it("has the others take turns there, and leaves none out", async () => {
    const turns = [...await on("tests/thread_manager/*", "apache"), ...await on("life_", "apache")]
      .filter((runtimes) => runtimes.length === 1);
    assert.deepEqual(new Set(turns.flat()), new Set(ALL));
    assert.deepEqual(
      runtimesOf((await findTests("consumer/life_test"))[0]!, "apache", ["bun"]),
      ["bun"],
    );
  });
});
