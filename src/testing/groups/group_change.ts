/** The states of a group, by Kafka's names. */
export type GroupState =
  | "Empty"
  | "PreparingRebalance"
  | "CompletingRebalance"
  | "Stable"
  | "Dead";

/** Something that has happened in a group. */
export type GroupChange =
  | { type: "state"; groupId: string; state: GroupState; generationId: number }
  | {
    type: "committed";
    groupId: string;
    topic: string;
    partition: number;
    offset: number;
    metadata: string;
  }
  | { type: "memberJoined"; groupId: string; memberId: string; instanceId: string | null }
  | { type: "memberLeft"; groupId: string; memberId: string; instanceId: string | null }
  | {
    type: "memberExpired";
    groupId: string;
    memberId: string;
    instanceId: string | null;
    /** What it did not do in time: send a heartbeat, join again, or sync. */
    missed: "heartbeat" | "join" | "sync";
  }
  | {
    /** A static member has come again under a new member id (KIP-345). */
    type: "memberReplaced";
    groupId: string;
    memberId: string;
    instanceId: string;
    replacedMemberId: string;
  };
