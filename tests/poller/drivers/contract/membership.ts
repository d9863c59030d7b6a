import assert from "node:assert/strict";
import { Connection, leaveGroupV4 } from "@platformatic/kafka";
import { LostPartitionError } from "../../../../src/errors.ts";
import { committedOffsets, describeGroup, produce } from "../../../support/kafka/mod.ts";
import { quietClient, withAdmin } from "../../../support/kafka/client.ts";
import { type Member, range } from "./member.ts";
import type { Place, Subscription } from "./place.ts";

/** Scenarios about the group: rebalances, lost memberships, new partitions. */
export function membership({ scenario, member, subscription, options }: Place): void {
  scenario(
    "waits for the revocation before it rejoins, and takes commits until then",
    async (scope) => {
      const subscribed = await subscription({ partitions: 4 });
      const [topic] = subscribed.topics;
      const { groupId, bootstrapServers: [server] } = subscribed;
      const send = (count: number) =>
        produce(
          server,
          topic,
          range(0, 4).flatMap((partition) =>
            range(0, count).map(() => ({ partition, value: "x" }))
          ),
        );
      await send(10);
      const gate = Promise.withResolvers<void>();
      const sessionTimeoutMs = 1_500;
      const first = await member(scope, {
        ...subscribed,
        sessionTimeoutMs,
        onRevoked: async (self) => {
          await gate.promise;
          await self.commitAll();
        },
      });
      await first.run().untilRead(40);
      const second = await member(scope, { ...subscribed, sessionTimeoutMs });
      second.run();
      await first.until("it is revoked", () => first.count("revoked") === 1);
      const revokedAt = Date.now();
      assert.equal(first.calls.at(-1)!.partitions.length, 4);

      // Longer than a session: heartbeats must go on while the revocation waits.
      const status = () => first.driver.status?.();
      await first.until(
        "heartbeats have gone on for longer than a session",
        () => (status()?.heartbeatAt ?? Date.now()) > revokedAt + 2 * sessionTimeoutMs,
      );
      assert.equal(second.count("assigned"), 0, "the other waits for the revocation");
      // Nothing more is handed over meanwhile.
      await send(5);
      assert.equal(first.read, 40);
      gate.resolve();

      await second.untilAssigned();
      await first.untilAssigned(2);
      await second.until("all is read", () => first.read + second.read === 60);
      assert.equal(first.count("lost") + second.count("lost"), 0);
      assert.equal(first.assigned.length, 2);
      assert.equal(second.assigned.length, 2);
      for (const { committed } of [...first.assigned, ...second.assigned]) {
        assert.equal(
          committed,
          10,
        );
      }
      assertOnceInOrder([first, second], topic, 4, 15);

      // The other way round: when one leaves, the rest gets everything.
      await second.leave();
      await first.untilAssigned(3);
      assert.equal(first.assigned.length, 4);
      await send(5);
      await first.until("all is read", () => first.read + second.read === 80);
      assertOnceInOrder([first, second], topic, 4, 20);
      await first.leave();
      assert.deepEqual(await committedOffsets(server, groupId, topic), [20, 20, 20, 20]);
      assert.deepEqual([first.errors, second.errors], [[], []]);
    },
  );

  scenario(
    "neither loses nor repeats anything while members come and go under load",
    async (scope) => {
      const subscribed = await subscription({ partitions: 6 });
      const [topic] = subscribed.topics;
      const { bootstrapServers: [server] } = subscribed;
      const members: Member[] = [];
      const join = async () => {
        const joined = await member(scope, {
          ...subscribed,
          onRevoked: (self) => self.commitAll(),
        });
        members.push(joined);
        return joined.run();
      };
      const producer = quietClient(server).producer();
      await producer.connect();
      scope.defer(() => producer.disconnect());
      let done = false;
      let rounds = 0;
      const load = (async () => {
        for (; !done || rounds < 50; rounds++) {
          const messages = range(0, 6).flatMap((partition) =>
            range(0, 20).map(() => ({ partition, value: `${rounds}` }))
          );
          await producer.send({ topic, messages });
        }
      })();

      const first = await join();
      await first.untilRead(100);
      const second = await join();
      await second.untilRead(100);
      const third = await join();
      await third.untilRead(100);
      await first.leave();
      await second.leave();
      await third.until("it has all", () => third.assigned.length === 6);
      done = true;
      await load;
      const total = rounds * 20;
      await third.until(
        "all is read",
        () => members.reduce((sum, { read }) => sum + read, 0) >= total * 6,
      );
      assertOnceInOrder(members, topic, 6, total);
      assert.deepEqual(
        members.flatMap(({ errors }) => errors),
        [],
      );
      assert.equal(members.reduce((sum, one) => sum + one.count("lost"), 0), 0);
    },
  );

  scenario("says so when the membership is lost, and joins again", async (scope) => {
    const subscribed = await subscription({ partitions: 2 });
    const [topic] = subscribed.topics;
    const { groupId, bootstrapServers: [server] } = subscribed;
    await produce(server, topic, range(0, 10).map((n) => ({ partition: n % 2, value: `${n}` })));
    const late: Promise<unknown>[] = [];
    const reader = await member(scope, {
      ...subscribed,
      heartbeatIntervalMs: 1_000,
      onLost: ({ driver }) => {
        late.push(driver.commit([{ topic, partition: 0, offset: 5 }]).catch((error) => error));
      },
    });
    await reader.run().untilRead(10);
    await reader.driver.commit([{ topic, partition: 1, offset: 2 }]);
    await expel(subscribed, reader);
    // The driver may not know it yet, but the coordinator does.
    await assert.rejects(
      reader.driver.commit([{ topic, partition: 0, offset: 5 }]),
      isLost,
    );

    await reader.until("it is assigned again", () => reader.count("assigned") === 2);
    assert.deepEqual(reader.calls.map(({ hook }) => hook), ["assigned", "lost", "assigned"]);
    assert.equal(reader.calls[1]!.partitions.length, 2);
    assert.deepEqual(reader.assigned.map(({ committed }) => committed), [null, 2]);
    await reader.until("it has read again what was not committed", () => reader.read === 18);
    assert.deepEqual(reader.offsets(topic, 0), [...range(0, 5), ...range(0, 5)]);
    assert.deepEqual(reader.offsets(topic, 1), [...range(0, 5), ...range(2, 5)]);
    assert.equal(late.length, 1);
    assert(isLost(await late[0]), "nothing of a lost partition can be committed");
    assert.deepEqual(await committedOffsets(server, groupId, topic), [-1, 2]);
    await reader.commitAll();
    assert.deepEqual(await committedOffsets(server, groupId, topic), [5, 5]);
  });

  scenario("can lose its membership while a revocation waits", async (scope) => {
    const subscribed = await subscription({ partitions: 2 });
    const [topic] = subscribed.topics;
    const gate = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const first = await member(scope, {
      ...subscribed,
      onRevoked: async ({ driver }) => {
        await gate.promise;
        const commit = driver.commit([{ topic, partition: 0, offset: 0 }]);
        late.resolve(await commit.catch((error) => error));
      },
    });
    await first.run().untilAssigned();
    const second = await member(scope, subscribed);
    second.run();
    await first.until("it is revoked", () => first.count("revoked") === 1);
    await expel(subscribed, first);
    // The group does not wait for it any more.
    await second.untilAssigned();
    assert.equal(second.assigned.length, 2);
    gate.resolve();
    isLost(await late.promise);
    await first.untilAssigned(2);
  });

  scenario("refuses to commit what is not assigned", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const reader = await member(scope, subscribed);
    await reader.run().untilAssigned();
    const foreign = { topic, partition: 7, offset: 1 };
    await assert.rejects(reader.driver.commit([foreign]), isLost);
    await reader.driver.commit([]);
    await reader.driver.commit([{ topic, partition: 0, offset: 0 }]);
  });

  scenario("is on standby without partitions, and takes over", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    const members = [await member(scope, subscribed), await member(scope, subscribed)];
    for (const one of members) one.run();
    const status = (one: Member) => one.driver.status?.().group ?? "standby";
    const [first] = members as [Member];
    await first.until(
      "one of them reads and one waits",
      () =>
        members.some((one) => status(one) === "standby") &&
        members.some((one) => one.positions.size === 1),
    );
    const reader = members.find((one) => one.positions.size === 1)!;
    const other = members.find((one) => one !== reader)!;
    assert.equal(other.positions.size, 0);
    await reader.close();
    await other.until("it has taken over", () => other.positions.size === 1);
    await produce(server, topic, [{ value: "1" }]);
    await other.until("it reads", () => other.of(topic).length === 1);
  });

  scenario("finds partitions that are added", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    const { bootstrapServers: [server] } = subscribed;
    await produce(server, topic, [{ value: "0" }]);
    const reader = await member(scope, {
      ...subscribed,
      driverOptions: options.quickMetadata,
      onRevoked: (self) => self.commitAll(),
    });
    await reader.run().untilRead(1);
    await withAdmin(
      server,
      (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }),
    );
    await reader.until("it has all three", () => reader.assigned.length === 3);
    await produce(server, topic, [1, 2].map((partition) => ({ partition, value: "1" })));
    await reader.untilRead(3);
    assert.deepEqual([0, 1, 2].map((partition) => reader.offsets(topic, partition)), [[0], [0], [
      0,
    ]]);
    assert.equal(reader.count("lost"), 0);
  });
}

function isLost(error: unknown): boolean {
  assert(LostPartitionError.is(error), String(error));
  assert.equal(error.retriable, false);
  return true;
}

/** Takes a member out of its group, behind its back. */
async function expel({ bootstrapServers: [server], groupId }: Subscription, who: Member) {
  const memberId = who.driver.status?.().memberId ??
    (await describeGroup(server, groupId)).members[0]!.memberId;
  const [host, port] = server.split(",")[0]!.split(":");
  const connection = new Connection("kafka-threads-tests");
  try {
    await connection.connect(host!, Number(port));
    // Of one broker, which coordinates everything.
    await leaveGroupV4.api.async(connection, groupId, [{ memberId, groupInstanceId: null }]);
  } finally {
    await connection.close();
  }
}

/** Every offset of every partition was read by one member or another, once, and in order. */
function assertOnceInOrder(
  members: readonly Member[],
  topic: string,
  partitions: number,
  count: number,
): void {
  for (const partition of range(0, partitions)) {
    const lists = members.map((one) => one.offsets(topic, partition));
    for (const list of lists) assert.deepEqual(list, list.toSorted((a, b) => a - b));
    assert.deepEqual(lists.flat().toSorted((a, b) => a - b), range(0, count));
  }
}
