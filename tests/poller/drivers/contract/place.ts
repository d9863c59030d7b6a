import type { CreateDriver } from "../../../../src/driver.ts";
import {
  createTopic,
  endOffsets,
  kafkaAvailable,
  type SharedKafka,
  sharedKafka,
  type TopicOptions,
  uniqueName,
} from "../../../support/kafka/mod.ts";
import { Member, type MemberOptions } from "./member.ts";
import type { Scenario } from "./scenarios.ts";

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

/** Prepares the place in which a driver is tested. */
export function preparePlace(driver: URL, options: ContractOptions, scenario: Scenario): Place {
  const loaded = async () => (await import(driver.href)).default as CreateDriver;
  return {
    scenario,
    driver,
    options,
    kafka: sharedKafka,
    async member(scope, options) {
      return scope.use(await Member.create(await loaded(), options));
    },
    async subscription(options) {
      const { bootstrapServers } = await sharedKafka();
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
