import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { A, type RawClient } from "./raw_client.ts";
import { batch, BY_NAME, producedPartition, produceRequest, rig } from "./support.ts";

async function produceBy(
  client: RawClient,
  records: Parameters<typeof produceRequest>[1],
  options: Parameters<typeof produceRequest>[2] & { topic?: string } = {},
) {
  const request = produceRequest(options.topic ?? "t", records, options);
  const { errorCode, baseOffset } = producedPartition(
    await client.ask(A.produce, request, BY_NAME),
  );
  return [errorCode, baseOffset];
}

describe("KafkaBroker, Produce", () => {
  for (const acks of [1, -1]) {
    it(`acknowledges with acks ${acks}`, async () => {
      await using test = await rig({ topics: { t: 1 } });
      const client = await test.raw();
      assert.deepEqual(await produceBy(client, batch(["a", "b"]), { acks }), [0, 0]);
      assert.deepEqual(await produceBy(client, batch(["c"]), { acks }), [0, 2]);
    });
  }

  it("acknowledges nothing with acks 0, and goes on", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    for (const value of ["a", "b"]) {
      client.send(A.produce, produceRequest("t", batch([value]), { acks: 0 }), BY_NAME);
    }
    assert.deepEqual(await produceBy(client, batch(["c"])), [0, 2]);
    assert.equal(client.answers, 1);
  });

  it("takes what a client sent that has left", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    client.send(A.produce, produceRequest("t", batch(["a"]), { acks: 0 }), BY_NAME);
    client.socket.end();
    assert.equal(await test.broker.whenProduced("t", 1), 1);
  });

  it("closes the connection of who wants no acknowledgement if something is wrong", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    client.send(A.produce, produceRequest("u", batch(["a"]), { acks: 0 }), BY_NAME);
    await client.closed;
    assert.match(
      test.log.messages("warn")[0]!,
      /Produce without acknowledgement failed: UNKNOWN_TOPIC_OR_PARTITION/,
    );
  });

  it("refuses other acks", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    for (const acks of [2, -2, 32_767]) {
      assert.deepEqual(await produceBy(client, batch(["a"]), { acks }), [
        ERROR.INVALID_REQUIRED_ACKS,
        -1,
      ]);
    }
    assert.equal(test.broker.offsets("t").end, 0);
  });

  it("refuses what it cannot take, each partition by itself", async () => {
    await using test = await rig({
      topics: { t: { partitions: 4, config: { "max.message.bytes": "500" } } },
    });
    const client = await test.raw();
    const broken = batch(["broken"]);
    broken[broken.length - 1]! ^= 1;
    const { responses } = await client.ask(A.produce, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 0,
      topicData: [
        {
          name: "t",
          partitionData: [
            { index: 0, records: broken },
            { index: 1, records: batch(["x".repeat(500)]) },
            { index: 2, records: batch(["fine"]) },
            { index: 3, records: null },
            { index: 4, records: batch(["nowhere"]) },
          ],
        },
        { name: "u", partitionData: [{ index: 0, records: batch(["nowhere"]) }] },
      ],
    }, BY_NAME);
    const codes = responses.map((
      { partitionResponses }: { partitionResponses: { errorCode: number }[] },
    ) => partitionResponses.map(({ errorCode }) => errorCode));
    assert.deepEqual(codes, [
      [
        ERROR.CORRUPT_MESSAGE,
        ERROR.MESSAGE_TOO_LARGE,
        ERROR.NONE,
        ERROR.INVALID_RECORD,
        ERROR.UNKNOWN_TOPIC_OR_PARTITION,
      ],
      [ERROR.UNKNOWN_TOPIC_OR_PARTITION],
    ]);
    assert.deepEqual([0, 1, 2, 3].map((index) => test.broker.offsets("t", index).end), [
      0,
      0,
      1,
      0,
    ]);
  });

  it("makes no topic: only who asks for one does", async () => {
    await using test = await rig();
    const client = await test.raw();
    const [errorCode] = await produceBy(client, batch(["a"]), { topic: "new" });
    assert.equal(errorCode, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    const producer = test.kafkajs.producer();
    await producer.connect();
    test.defer(() => producer.disconnect());
    await producer.send({ topic: "new", messages: [{ value: "a" }] });
    assert.equal(test.broker.log("new").length, 1);
  });

  it("goes by the topic's id in newer versions", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    const { topics } = await client.ask(A.metadata, { topics: [{ name: "t" }] });
    const by = async (topicId: string) => {
      const partitionData = [{ index: 0, records: batch(["a"]) }];
      const answer = await client.ask(A.produce, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 0,
        topicData: [{ topicId, partitionData }],
      });
      return producedPartition(answer).errorCode;
    };
    assert.equal(await by(topics[0].topicId), ERROR.NONE);
    assert.equal(await by("00000000-0000-4000-8000-000000000001"), ERROR.UNKNOWN_TOPIC_ID);
    assert.equal(test.broker.offsets("t").end, 1);
  });
});

describe("KafkaBroker, idempotent producers", () => {
  const sent = (baseSequence: number, producerEpoch = 0, producerId = 5) =>
    batch(["a", "b"], { producerId, producerEpoch, baseSequence });

  it("gives each producer an id of its own, and none to transactions", async () => {
    await using test = await rig();
    const client = await test.raw();
    const init = async (more: object = {}) => {
      const answer = await client.ask(A.initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
        ...more,
      });
      return [answer.errorCode, answer.producerId, answer.producerEpoch];
    };
    const [errorCode, first, epoch] = await init();
    assert.deepEqual([errorCode, epoch], [ERROR.NONE, 0]);
    const [, second] = await init();
    assert.notEqual(second, first);
    // As Apache Kafka does it: who has no transactions counts its epochs itself.
    const [, third, epochAgain] = await init({ producerId: first, producerEpoch: 3 });
    assert.ok(third !== first && third !== second);
    assert.equal(epochAgain, 0);
    assert.deepEqual(await init({ transactionalId: "tx" }), [ERROR.INVALID_REQUEST, -1, -1]);
  });

  it("appends a batch that comes again no second time, and tells where it is", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    for (let batches = 0; batches < 6; batches++) {
      assert.deepEqual(await produceBy(client, sent(batches * 2)), [0, batches * 2]);
    }
    // The last five are remembered.
    for (let batches = 1; batches < 6; batches++) {
      assert.deepEqual(await produceBy(client, sent(batches * 2)), [0, batches * 2]);
    }
    assert.equal((await produceBy(client, sent(0)))[0], ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert.equal(test.broker.offsets("t").end, 12);
  });

  it("refuses gaps, and epochs that are over; a new epoch begins at 0", async () => {
    await using test = await rig({ topics: { t: 1 } });
    const client = await test.raw();
    assert.deepEqual(await produceBy(client, sent(0)), [0, 0]);
    assert.deepEqual(await produceBy(client, sent(4)), [ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, -1]);
    assert.deepEqual(await produceBy(client, sent(2, 1)), [ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, -1]);
    assert.deepEqual(await produceBy(client, sent(0, 1)), [0, 2]);
    assert.deepEqual(await produceBy(client, sent(2, 0)), [ERROR.INVALID_PRODUCER_EPOCH, -1]);
    assert.deepEqual(await produceBy(client, sent(0, 0, 6)), [0, 4], "another producer");
    assert.equal(test.broker.offsets("t").end, 6);
  });

  it("keeps apart what a producer sends to several partitions", async () => {
    await using test = await rig({ topics: { t: 2 } });
    const client = await test.raw();
    for (const partition of [0, 1]) {
      assert.deepEqual(await produceBy(client, sent(0), { partition }), [0, 0]);
      assert.deepEqual(await produceBy(client, sent(2), { partition }), [0, 2]);
    }
  });
});
