import { ERROR } from "../protocol/error_codes.ts";
import type { PartitionLog } from "../log/partition_log.ts";

/** The leader of a partition that has none. */
const NOBODY = -1;

/** One partition of a topic: its log, and which node leads it. */
export class Partition {
  readonly topic: string;
  readonly index: number;
  readonly log: PartitionLog;
  /** The nodes that have it, the preferred leader first. */
  readonly replicas: readonly number[];
  /** The node that leads it; -1 while none of its replicas is up. */
  leader: number;
  /** Counts the elections. */
  leaderEpoch = 0;
  /** The node that led it last, or does. */
  #lastLeader: number;
  readonly #waiting = new Set<() => void>();

  constructor(topic: string, index: number, replicas: readonly number[], log: PartitionLog) {
    this.topic = topic;
    this.index = index;
    this.replicas = replicas;
    this.leader = this.#lastLeader = replicas[0]!;
    this.log = log;
  }

  /**
   * Makes a node the leader.
   *
   * @param nodeId One of the replicas, or -1.
   */
  elect(nodeId: number): void {
    if (nodeId === this.leader) return;
    this.leader = nodeId;
    if (nodeId !== NOBODY) this.#lastLeader = nodeId;
    this.leaderEpoch++;
    this.log.beginLeaderEpoch(this.leaderEpoch);
    // Whoever waits here waits at the wrong node.
    this.changed();
  }

  /**
   * Sees to it that a node that is up leads, if there is one: the leader that it had, or else the first
   * of the replicas.
   *
   * @param isUp Tells which nodes are up.
   */
  electOf(isUp: (nodeId: number) => boolean): void {
    if (isUp(this.leader)) return;
    const next = isUp(this.#lastLeader) ? this.#lastLeader : this.replicas.find(isUp);
    this.elect(next ?? NOBODY);
  }

  /**
   * Whether a request may be served here.
   *
   * @param nodeId The node that was asked.
   * @param epoch The leader's epoch that the client knows; -1 if it knows none (KIP-320).
   * @returns An error code.
   */
  check(nodeId: number, epoch = -1): number {
    if (this.leader !== nodeId) return ERROR.NOT_LEADER_OR_FOLLOWER;
    if (epoch === -1 || epoch === this.leaderEpoch) return ERROR.NONE;
    return epoch < this.leaderEpoch ? ERROR.FENCED_LEADER_EPOCH : ERROR.UNKNOWN_LEADER_EPOCH;
  }

  /** Calls all who wait for something to happen here. */
  changed(): void {
    for (const wake of this.#waiting) wake();
  }

  /**
   * Waits for {@linkcode changed}.
   *
   * @param wake Called at each change.
   * @returns Stops waiting.
   */
  onChange(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }
}
