/** What the demo's thread is told. */
export type ToWorld =
  /** Opens the shop: on this Kafka, or else on a broker of its own. */
  | {
    type: "open";
    bootstrapServers: string | null;
    groupId: string;
    topic: string;
    partitions: number;
  }
  /** Sells from now on. */
  | { type: "sell" }
  /** Stops selling. */
  | { type: "close" }
  /** Reads what the group has committed and where the topic ends, and ends. */
  | { type: "audit" };

/** What the demo's thread says. */
export type FromWorld =
  | { type: "ready" }
  /** The shop is open. `startMs` is what the broker took, if it is the shop's own. */
  | { type: "opened"; bootstrapServers: string; startMs: number | null }
  /** Nothing more is sold; so many orders were. */
  | { type: "closed"; made: number }
  | { type: "audited"; committed: number[]; ends: number[] }
  | { type: "failed"; reason: string };
