import { randomUUID } from "node:crypto";
import type { ResolvedKafkaBrokerOptions } from "./broker_options.ts";
import { Cluster } from "./cluster/cluster.ts";
import { BrokerError } from "./errors.ts";
import { GroupTimer } from "./group_timer.ts";
import { GroupCoordinator } from "./groups/group_coordinator.ts";
import type { BrokerState } from "./handlers/handler.ts";
import { Watcher } from "./watcher.ts";

/** The broker without its ports: what is known, and who waits for it to change. */
export class BrokerCore implements BrokerState {
  readonly cluster: Cluster;
  readonly groups: GroupCoordinator;
  readonly watcher: Watcher = new Watcher();
  readonly autoCreateTopics: boolean;
  readonly address: BrokerState["address"];
  readonly #timer: GroupTimer;
  #producerIds = 0;
  #wakeUp = false;
  #closed = false;

  /**
   * Makes a broker with no topics.
   *
   * @param options Its options.
   * @param address Where clients find a node.
   */
  constructor(options: ResolvedKafkaBrokerOptions, address: BrokerState["address"]) {
    this.cluster = new Cluster({
      nodes: options.nodes,
      // Kafka's cluster ids are UUIDs in base64, and some clients' tools expect their length.
      clusterId: btoa(randomUUID()).slice(0, 22),
      defaultPartitions: options.defaultPartitions,
      newId: randomUUID,
    });
    this.groups = new GroupCoordinator({
      minSessionTimeoutMs: options.minSessionTimeoutMs,
      maxSessionTimeoutMs: options.maxSessionTimeoutMs,
      initialRebalanceDelayMs: options.initialRebalanceDelayMs,
      newMemberId: (clientId, instanceId) => `${instanceId ?? clientId ?? ""}-${randomUUID()}`,
      partitionExists: (topic, index) => this.cluster.partition(topic, index) !== undefined,
    });
    this.autoCreateTopics = options.autoCreateTopics;
    this.address = address;
    this.#timer = new GroupTimer(this.groups, () => this.now(), () => this.changed());
  }

  now(): number {
    return Date.now();
  }

  newProducerId(): number {
    return ++this.#producerIds;
  }

  changed(): void {
    // What a control has held until now, or a client that is slow to go, may still change something.
    if (this.#closed) return;
    this.#timer.set();
    if (this.#wakeUp) return;
    // Once per turn of the loop, however much has changed in it: those who wait may look at whole logs.
    this.#wakeUp = true;
    queueMicrotask(() => {
      this.#wakeUp = false;
      this.watcher.changed();
    });
  }

  /** Leaves no timer behind, and nobody who waits. */
  close(): void {
    this.#closed = true;
    this.#timer.clear();
    this.watcher.failAll(
      new BrokerError("NOT_RUNNING", "Cannot wait any longer: the broker is stopped"),
    );
  }
}
