// What different clients do on one broker.
import assert from "node:assert/strict";
import { uniqueName } from "../../support/kafka/topics.ts";
import type { BrokerUnderTest } from "./brokers.ts";
import { type ClientName, CLIENTS, type Codec, type ConformanceClient } from "./client.ts";
import { CLIENT_TRAITS } from "./clients/mod.ts";
import { refusal } from "./errors.ts";

/** What a scenario of several clients works with. */
export interface SharedScene {
  broker: BrokerUnderTest;
  /** The client of this name, connected to the broker. */
  client(name: ClientName): ConformanceClient;
  /** Makes a topic that no other scenario uses. */
  topic(options?: { partitions?: number }): Promise<string>;
}

/** A thing that a broker has to do for several clients at once. */
export interface SharedScenario {
  title: string;
  /** Whom it takes. */
  clients: readonly ClientName[];
  run(scene: SharedScene): Promise<void>;
}

const CODECS: readonly Codec[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** All of them. */
export const SHARED_SCENARIOS: readonly SharedScenario[] = [
  ...CODECS.map((codec): SharedScenario => {
    const clients = CLIENTS.filter((name) => CLIENT_TRAITS[name].codecs.includes(codec));
    return {
      title: `gives to each client what the others have written: ${codec}`,
      clients,
      async run({ client, topic }) {
        const where = await topic();
        const values: string[] = [];
        for (const name of clients) {
          const own = [1, 2, 3].map((n) => `${name} ${n} ${"лорем".repeat(20)}`);
          values.push(...own);
          await client(name).write(
            where,
            own.map((value) => ({ key: name, value, headers: [["from", name]] })),
            { codec },
          );
        }
        const count = values.length;
        await Promise.all(clients.map(async (name) => {
          const read = await client(name).read(where, { count });
          assert.deepEqual(read.map(({ value }) => value), values, name);
          assert.deepEqual(read.map(({ offset }) => offset), values.map((_, index) => index));
          for (const { key, headers } of read) assert.deepEqual(headers, [["from", key]]);
        }));
      },
    };
  }),

  {
    title: "has members of different clients in one group",
    clients: ["@platformatic/kafka", "confluent-kafka"],
    async run({ client, topic }) {
      const where = await topic({ partitions: 4 });
      // What both have of strategies is called "roundrobin".
      const options = { groupId: uniqueName("mixed"), topics: [where] };
      const first = client("@platformatic/kafka").join(options);
      await first.until(({ assigned }) => assigned?.length === 4);
      const second = client("confluent-kafka").join(options);
      try {
        await second.until(({ assigned }) => assigned?.length === 2);
        await first.until(({ assigned }) => assigned?.length === 2);
        const all = [0, 1, 2, 3].map((partition) => `${where}-${partition}`);
        assert.deepEqual([...first.assigned!, ...second.assigned!].sort(), all);
        await first.leave();
        await second.until(({ assigned }) => assigned?.length === 4);
      } finally {
        await Promise.allSettled([first.leave(), second.leave()]);
      }
    },
  },

  {
    title: "refuses a member that has no strategy in common with the group",
    clients: ["@platformatic/kafka", "kafkajs"],
    async run({ client, topic }) {
      const options = { groupId: uniqueName("apart"), topics: [await topic()] };
      const first = client("@platformatic/kafka").join(options);
      try {
        await first.until(({ assigned }) => assigned?.length === 1);
        const other = client("kafkajs").join(options);
        assert.equal(
          await refusal(other.until(({ assigned }) => assigned !== undefined)),
          "INCONSISTENT_GROUP_PROTOCOL",
        );
        await other.leave();
      } finally {
        await first.leave();
      }
    },
  },
];
