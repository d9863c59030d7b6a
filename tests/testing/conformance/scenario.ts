// What a scenario is, and what it is given.
import { createTopic, uniqueName } from "../../support/kafka/topics.ts";
import type { BrokerUnderTest } from "./brokers.ts";
import type {
  Access,
  ClientName,
  ClientTraits,
  ClientWith,
  Codec,
  ConformanceClient,
  Feature,
  JoinOptions,
  Member,
  OptionalMethod,
  TopicOptions,
} from "./client.ts";
import type { ClientKind, ProcessMember } from "./clients/mod.ts";

/** What a scenario works with. */
export interface Scene<M extends OptionalMethod = never> {
  broker: BrokerUnderTest;
  client: ClientWith<M>;
  clientName: ClientName;
  /** Makes a topic that no other scenario uses. */
  topic(options?: TopicOptions): Promise<string>;
  /** A name that nobody else uses. */
  name(what: string): string;
  /** Joins a group; what is still in it when the scenario ends leaves then. */
  join(options: JoinOptions): Member;
  /** The same in another process, which is ended with the scenario. */
  joinInProcess(options: JoinOptions): ProcessMember;
  /** Another client of the same kind, which is closed with the scenario. */
  connect(access: Access): ConformanceClient;
}

/** What a client must have for a scenario. */
export interface Needs<M extends OptionalMethod> {
  methods?: readonly M[];
  features?: readonly Feature[];
  codec?: Codec;
}

/** A thing that all brokers have to do for all clients. */
export interface Scenario {
  title: string;
  needs: Needs<OptionalMethod>;
  run(scene: Scene<OptionalMethod>): Promise<void>;
}

/**
 * Describes a scenario.
 *
 * @typeParam M The optional methods that it calls.
 * @param title What the broker does.
 * @param needs What the client must have.
 * @param run Shows it, or throws.
 * @returns The scenario.
 */
export function scenario<const M extends OptionalMethod = never>(
  title: string,
  needs: Needs<M>,
  run: (scene: Scene<M>) => Promise<void>,
): Scenario {
  // It is only run with a client that has these methods.
  return { title, needs, run: run as unknown as Scenario["run"] };
}

/**
 * Tells whether a client can run a scenario.
 *
 * @param client The kind of client.
 * @param scenario The scenario.
 * @returns Whether it has all that is needed.
 */
export function canRun(client: ClientTraits, { needs }: Scenario): boolean {
  const { methods = [], features = [], codec = "none" } = needs;
  return methods.every((method) => method in client.prototype) &&
    features.every((feature) => client.features.includes(feature)) && client.codecs.includes(codec);
}

/**
 * Makes a topic that nobody else uses.
 *
 * @param bootstrapServers The broker.
 * @param options How large it is, and the like.
 * @returns Its name.
 */
export async function topicOn(bootstrapServers: string, options?: TopicOptions): Promise<string> {
  const topic = uniqueName("conformance");
  await createTopic(bootstrapServers, topic, options);
  return topic;
}

/**
 * Runs a scenario, and cleans up after it.
 *
 * @param scenario The scenario.
 * @param broker On which broker.
 * @param kind With which client.
 * @param client The same, connected to the broker.
 */
export async function runScenario(
  scenario: Scenario,
  broker: BrokerUnderTest,
  kind: ClientKind,
  client: ConformanceClient,
): Promise<void> {
  const { bootstrapServers } = broker;
  const cleanUps: (() => Promise<unknown>)[] = [];
  const scene: Scene<OptionalMethod> = {
    broker,
    client: client as ClientWith<OptionalMethod>,
    clientName: kind.name,
    name: uniqueName,
    topic: (options) => topicOn(bootstrapServers, options),
    join(options) {
      const member = client.join(options);
      cleanUps.push(() => member.leave());
      return member;
    },
    joinInProcess(options) {
      const member = kind.joinInProcess({ bootstrapServers }, options);
      cleanUps.push(() => member.kill());
      return member;
    },
    connect(access) {
      const other = kind.connect(access);
      cleanUps.push(async () => await other[Symbol.asyncDispose]());
      return other;
    },
  };
  try {
    await scenario.run(scene);
  } finally {
    const results = await Promise.allSettled(cleanUps.map((cleanUp) => cleanUp()));
    // A client that is left open would keep the process alive.
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) console.error(`Cannot clean up: ${failed.reason}`);
  }
}
