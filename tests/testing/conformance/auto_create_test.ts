// Topics that are made by asking for them. The Apache Kafka of the tests is set up not to do that, so
// that this is about the broker of this library alone.
import assert from "node:assert/strict";
import { after, before, describe, it } from "#std/testing/bdd";
import { KafkaBroker } from "../../../src/testing/mod.ts";
import { uniqueName } from "../../support/kafka/topics.ts";
import { findClients } from "./clients/mod.ts";

const PATIENCE = { timeout: 60_000 };

const kinds = await findClients();

describe("KafkaBroker with autoCreateTopics", () => {
  let broker: KafkaBroker;
  before(async () => {
    broker = await KafkaBroker.start({
      autoCreateTopics: true,
      defaultPartitions: 2,
      logLevel: "error",
    });
  }, PATIENCE);
  after(() => broker?.stop(), PATIENCE);

  for (const kind of kinds) {
    const { available } = kind;
    const options = available.ok ? PATIENCE : { skip: available.reason };
    it(`makes a topic for records (${kind.name})`, options, async () => {
      await using client = kind.connect(broker);
      const topic = uniqueName("made");
      await client.write(topic, [{ value: "first" }], { partition: 1 });
      assert.equal(broker.topics()[topic], 2);
      assert.equal(broker.log(topic, 1)[0]!.value!.toString(), "first");
      assert.equal((await client.read(topic, { partition: 1, count: 1 }))[0]!.value, "first");
    });
  }
});
