/** The cluster as this client knows it: brokers, topics, and the connections to them. */

import { DriverError, type KafkaThreadsError, TopicNotFoundError } from "../../../errors.ts";
import { AuthenticationError, ConnectionError } from "../../../errors.ts";
import { type BrokerAddress, BrokerConnection, type ConnectionSettings } from "./connection.ts";
import { answerError, CODES, isRetriable } from "./errors.ts";
import type { Clock } from "../shared/clock.ts";

/**
 * What a connection is for. A broker answers the requests of a connection one after the other, so
 * that a fetch, or a join, that waits would hold back everything else.
 */
export type Purpose = "ask" | "fetch" | "group" | "leave";

/** Who leads a partition. */
export interface PartitionLeader {
  /** Number of the broker, or -1 if there is none at the moment. */
  leader: number;
  /** Epoch of its leadership, or -1 if not known. */
  leaderEpoch: number;
}

/** How long a topic may take to be known everywhere after it was made. */
const PROPAGATION_MS = 1_000;
/** The same where this client's own question makes the topic. */
const CREATION_MS = 5_000;
const PROPAGATION_STEP_MS = 100;

/** Brokers, topics and connections. */
export class Cluster {
  readonly #bootstrap: readonly BrokerAddress[];
  readonly #settings: ConnectionSettings;
  readonly #clock: Clock;
  readonly #autocreate: boolean;
  readonly #connections = new Map<string, Promise<BrokerConnection>>();
  readonly #open = new Set<BrokerConnection>();
  readonly #topics = new Map<string, PartitionLeader[]>();
  #brokers = new Map<number, BrokerAddress>();
  #refreshedAt = 0;
  #closed = false;

  constructor(
    bootstrapServers: readonly string[],
    settings: ConnectionSettings,
    options: { autocreate: boolean; clock: Clock },
  ) {
    this.#bootstrap = bootstrapServers.map(parseAddress);
    this.#settings = settings;
    this.#autocreate = options.autocreate;
    this.#clock = options.clock;
  }

  /** Milliseconds since the epoch of the last answer about topics; 0 before the first. */
  get refreshedAt(): number {
    return this.#refreshedAt;
  }

  /** How many partitions a topic has, as far as is known. */
  partitionCount(topic: string): number {
    return this.#topics.get(topic)?.length ?? 0;
  }

  /** Who leads a partition, as far as is known. */
  leaderOf(topic: string, partition: number): PartitionLeader {
    return this.#topics.get(topic)?.[partition] ?? { leader: -1, leaderEpoch: -1 };
  }

  /**
   * Asks for these topics until each one is known, for about a second: it may have been made just
   * now.
   *
   * @throws {TopicNotFoundError} If there are topics that do not exist.
   */
  async findTopics(topics: readonly string[]): Promise<void> {
    const deadline = Date.now() + (this.#autocreate ? CREATION_MS : PROPAGATION_MS);
    for (;;) {
      const failures = await this.refresh(topics);
      if (failures.size === 0) return;
      const wait = [...failures.values()].every(isRetriable);
      if (wait && Date.now() < deadline) {
        await this.#clock.sleep(PROPAGATION_STEP_MS);
        this.#throwIfClosing();
        continue;
      }
      const missing = [...failures.keys()]
        .filter((topic) => failures.get(topic) === CODES.unknownTopicOrPartition);
      if (missing.length > 0) {
        const names = missing.map((topic) => `"${topic}"`).join(", ");
        throw new TopicNotFoundError(
          `Cannot read ${names}: ${
            missing.length === 1 ? "the topic does" : "the topics do"
          } not exist`,
          { topics: missing },
        );
      }
      const [[topic, code]] = failures as unknown as [[string, number]];
      throw answerError(`read "${topic}"`, code, { topic });
    }
  }

  /**
   * Asks any broker for the brokers and these topics.
   *
   * @returns The error code of each topic that has one.
   * @throws {ConnectionError} If no broker answers.
   */
  async refresh(topics: readonly string[]): Promise<Map<string, number>> {
    const answer = await this.#askAny((connection) =>
      connection.request("metadata", [[...topics], this.#autocreate, false])
    );
    this.#brokers = new Map(answer.brokers.map((broker) => [broker.nodeId, broker]));
    const failures = new Map<string, number>();
    for (const { errorCode, name, partitions } of answer.topics) {
      if (errorCode !== CODES.none) {
        failures.set(name, errorCode);
        // A topic that is gone: its partitions have no leader. How many it had is still true.
        for (const leader of this.#topics.get(name) ?? []) leader.leader = -1;
        continue;
      }
      const leaders: PartitionLeader[] = [];
      for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
        leaders[partitionIndex] = { leader: leaderId, leaderEpoch: leaderEpoch ?? -1 };
      }
      this.#topics.set(name, leaders);
    }
    this.#refreshedAt = Date.now();
    return failures;
  }

  /**
   * Finds the coordinator of a group.
   *
   * @throws {DriverError} If there is none yet.
   */
  async findCoordinator(groupId: string): Promise<BrokerAddress> {
    const deadline = Date.now() + PROPAGATION_MS;
    for (;;) {
      const answer = await this.#askAny((connection) =>
        connection.request("findCoordinator", [0, [groupId]])
      );
      const [coordinator] = answer.coordinators;
      const code = answer.errorCode || coordinator?.errorCode || CODES.none;
      if (code === CODES.none && coordinator !== undefined) return coordinator;
      // A cluster that has never seen a group makes the topic of the offsets first.
      if (!isRetriable(code) || Date.now() > deadline) {
        throw answerError(`find the coordinator of group "${groupId}"`, code);
      }
      await this.#clock.sleep(PROPAGATION_STEP_MS);
      this.#throwIfClosing();
    }
  }

  /** The connection to a broker, by its number, for a purpose. */
  async toNode(nodeId: number, purpose: Purpose): Promise<BrokerConnection> {
    const address = this.#brokers.get(nodeId);
    if (address === undefined) {
      throw new DriverError(`Cannot connect to broker ${nodeId}: its address is not known`, {
        retriable: true,
      });
    }
    return await this.toAddress(address, purpose);
  }

  /** The connection to an address for a purpose; opened if there is none. */
  toAddress(address: BrokerAddress, purpose: Purpose): Promise<BrokerConnection> {
    const key = `${purpose} ${address.host}:${address.port}`;
    const existing = this.#connections.get(key);
    if (existing !== undefined) {
      return existing.then((connection) => {
        if (connection.alive) return connection;
        if (this.#connections.get(key) === existing) this.#connections.delete(key);
        return this.toAddress(address, purpose);
      });
    }
    if (this.#closed) return Promise.reject(new ConnectionError("Cannot connect: it is closed"));
    const opening = BrokerConnection.open(address, this.#settings, (connection) => {
      for (const old of this.#open) if (!old.alive) this.#open.delete(old);
      this.#open.add(connection);
    });
    this.#connections.set(key, opening);
    opening.catch(() => {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
    });
    return opening;
  }

  /** Destroys all connections; no more are made. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#open) connection.destroy();
    this.#connections.clear();
  }

  #throwIfClosing(): void {
    if (this.#clock.stopped) throw new ConnectionError("Cannot go on: the driver closes");
  }

  async #askAny<T>(ask: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    const addresses = new Map<string, BrokerAddress>();
    for (const address of [...this.#brokers.values(), ...this.#bootstrap]) {
      addresses.set(`${address.host}:${address.port}`, address);
    }
    // Those that answered before come first; bootstrap servers may be names for other brokers.
    const open = (key: string) => this.#connections.has(`ask ${key}`) ? 0 : 1;
    const keys = [...addresses.keys()].sort((a, b) => open(a) - open(b));
    const failures: KafkaThreadsError[] = [];
    for (const key of keys) {
      try {
        return await ask(await this.toAddress(addresses.get(key)!, "ask"));
      } catch (error) {
        // The other brokers know the same credentials.
        if (AuthenticationError.is(error) || this.#closed) throw error;
        failures.push(error as KafkaThreadsError);
      }
    }
    const [first] = failures;
    if (failures.length === 1 && first !== undefined) throw first;
    const reasons = failures.map((error) => error.message).join("; ");
    throw new ConnectionError(`Cannot reach any of ${keys.length} brokers: ${reasons}`, {
      cause: first,
    });
  }
}

/**
 * Reads `host:port`; an IPv6 host stands in brackets.
 *
 * @throws {ConnectionError} If it is not of that form.
 */
export function parseAddress(text: string): BrokerAddress {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) {
    throw new ConnectionError(`Cannot read "${text}" as an address: it is not host:port`, {
      retriable: false,
    });
  }
  return { host, port: Number(port) };
}
