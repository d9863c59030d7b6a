import { Buffer } from "node:buffer";
import type { JoinGroupProtocol, JoinGroupResponse, SyncGroupResponse } from "./messages.ts";

/** What a member gets that the leader has assigned nothing. */
export const NO_ASSIGNMENT: Buffer = Buffer.alloc(0);

/** Who a member is, and what it asked for when it joined. */
export interface MemberOptions {
  readonly id: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly JoinGroupProtocol[];
}

/** One member of a group. */
export class GroupMember {
  readonly id: string;
  /** What a static member (KIP-345) is known by across its restarts, or null. */
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  /** What it supports, the best first. */
  protocols: readonly JoinGroupProtocol[];
  assignment: Buffer = NO_ASSIGNMENT;
  /** Takes the answer to its JoinGroup request, while one is open. */
  joining: ((response: JoinGroupResponse) => void) | null = null;
  /** Takes the answer to its SyncGroup request, while one is open. */
  syncing: ((response: SyncGroupResponse) => void) | null = null;
  /** Whether it has never been in a generation. */
  isNew = false;
  /** When its session ends, in milliseconds; null: never, because the coordinator is not running. */
  sessionEnd: number | null = null;

  constructor(options: MemberOptions) {
    this.id = options.id;
    this.instanceId = options.instanceId;
    this.clientId = options.clientId;
    this.clientHost = options.clientHost;
    this.sessionTimeoutMs = options.sessionTimeoutMs;
    this.rebalanceTimeoutMs = options.rebalanceTimeoutMs;
    this.protocols = options.protocols;
  }

  /**
   * The same member, but nobody waits for an answer.
   *
   * @param changes What is different.
   * @returns The copy; its session has no end yet.
   */
  copy(changes: { id?: string; protocols?: readonly JoinGroupProtocol[] } = {}): GroupMember {
    const copy = new GroupMember({ ...this, ...changes });
    copy.assignment = this.assignment;
    return copy;
  }

  /**
   * When it has to be gone if nothing is heard of it, or null.
   *
   * Who waits for an answer cannot be expected to send heartbeats: its client has one request under way
   * at a time. The answer starts its session anew. But a member that has never had an answer may be
   * one that gave up and joined again under another id, so that its wait must have an end.
   */
  get deadline(): number | null {
    const waits = this.joining !== null || this.syncing !== null;
    return waits && !this.isNew ? null : this.sessionEnd;
  }

  /** Something has been heard of it. */
  touch(now: number): void {
    this.sessionEnd = now + this.sessionTimeoutMs;
  }

  /** Its metadata for a protocol. */
  metadata(protocol: string): Buffer {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_ASSIGNMENT;
  }

  supports(protocol: string): boolean {
    return this.protocols.some(({ name }) => name === protocol);
  }

  /** Whether these are the protocols it has, with the same metadata and in the same order. */
  matches(protocols: readonly JoinGroupProtocol[]): boolean {
    return protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, index) => {
        const mine = this.protocols[index]!;
        return name === mine.name && metadata.equals(mine.metadata);
      });
  }
}
