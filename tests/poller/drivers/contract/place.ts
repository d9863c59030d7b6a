import { after } from "#std/testing/bdd";
import type { CreateDriver } from "../../../../src/driver.ts";
import {
  createTopic,
  endOffsets,
  kafkaAvailable,
  type KafkaCluster,
  type SharedKafka,
  sharedKafka,
  startKafka,
  type TopicOptions,
  uniqueName,
} from "../../../support/kafka/mod.ts";
import { withAdmin } from "../../../support/kafka/client.ts";
import { Member, type MemberOptions, range } from "./member.ts";
import type { Scenario } from "../../../support/side_by_side.ts";

/** What the driver under test needs to be told. */
export interface ContractOptions {
  /** `driverOptions` that make the leader look for new partitions several times a second. */
  quickMetadata: Record<string, unknown>;
}

/** Where the scenarios of the contract run. */
export interface Place {
  /** Registers a scenario. */
  scenario: Scenario;
  /** Address of the driver's module. */
  driver: URL;
  /** What the driver can do. */
  options: ContractOptions;
  /** The Kafka all scenarios share. */
  kafka(): Promise<SharedKafka>;
  /** A Kafka that no other scenario has until the scope ends, and that makes topics by itself. */
  ownKafka(scope: AsyncDisposableStack): Promise<KafkaCluster>;
  /** Makes a driver; it closes with the scope. */
  member(scope: AsyncDisposableStack, options: MemberOptions): Promise<Member>;
  /** Makes a topic and a group of their own on the shared Kafka. */
  subscription(options?: TopicOptions): Promise<Subscription>;
}

/** What a member of a group reads. */
export interface Subscription {
  bootstrapServers: [string];
  groupId: string;
  topics: [string];
}

/** Whether the contract can be tested here: false, or why not. */
export const skip: string | false = await kafkaAvailable().then((available) =>
  available.ok ? false : available.reason
);

let warm: Promise<SharedKafka> | undefined;

/**
 * The shared Kafka, when all its groups have a coordinator: a cluster that has just been made refuses
 * groups for a while, and a driver may pass that on.
 */
function warmKafka(): Promise<SharedKafka> {
  return warm ??= (async () => {
    const kafka = await sharedKafka();
    // Enough names to meet each of the few partitions of the offsets topic.
    const groups = range(0, 16).map((n) => `warm-${n}`);
    const deadline = Date.now() + 20_000;
    while (groups.length > 0) {
      await withAdmin(kafka.bootstrapServers, async (admin) => {
        for (; groups.length > 0; groups.pop()) {
          await admin.fetchOffsets({ groupId: groups.at(-1)! });
        }
      }).catch((error) => {
        if (Date.now() > deadline) throw error;
      });
    }
    return kafka;
  })();
}

/** Prepares the place in which a driver is tested; to be called within a `describe`. */
export function preparePlace(driver: URL, options: ContractOptions, scenario: Scenario): Place {
  const loaded = async () => (await import(driver.href)).default as CreateDriver;
  return {
    scenario,
    driver,
    options,
    kafka: warmKafka,
    ownKafka: oneAfterTheOther(),
    async member(scope, options) {
      return scope.use(await Member.create(await loaded(), options));
    },
    async subscription(options) {
      const { bootstrapServers } = await warmKafka();
      const topic = uniqueName("contract");
      await makeTopic(bootstrapServers, topic, options);
      return {
        bootstrapServers: [bootstrapServers],
        groupId: uniqueName("contract"),
        topics: [topic],
      };
    },
  };
}

/** One Kafka for all who want one of their own: Apache Kafka takes seconds of a core to start. */
function oneAfterTheOther(): Place["ownKafka"] {
  let own: Promise<KafkaCluster> | undefined;
  let free: Promise<void> = Promise.resolve();
  after(async () => await (await own?.catch(() => undefined))?.stop());
  return async (scope) => {
    const before = free;
    const { promise, resolve } = Promise.withResolvers<void>();
    free = promise;
    scope.defer(resolve);
    await before;
    return await (own ??= startKafka({ config: { "auto.create.topics.enable": "true" } }));
  };
}

/** Creates a topic and waits until the broker that is asked knows it. */
export async function makeTopic(
  server: string,
  topic: string,
  options?: TopicOptions,
): Promise<void> {
  const isUnknown = (error: { type?: string }) => {
    if (error.type !== "UNKNOWN_TOPIC_OR_PARTITION") throw error;
    return true;
  };
  // A broker may not have heard of it when its controller has; kafkajs does not wait for that.
  let unknown = await createTopic(server, topic, options).then(() => false, isUnknown);
  while (unknown) unknown = await endOffsets(server, topic).then(() => false, isUnknown);
}
