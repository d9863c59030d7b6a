import type { Shop } from "./shop.ts";

/** What the demo's thread is told. */
export type ToWorld =
  /** Opens the shop: on this Kafka, or else on a broker of its own. */
  | { type: "open"; bootstrapServers: string | null; shop: Shop }
  /** Sells from now on. */
  | { type: "sell" }
  /** Stops selling. */
  | { type: "close" }
  /** Reads what the groups have committed and where the topics end, and ends. */
  | { type: "audit" };

/** How far a group is. */
export interface Audit {
  /** What it has committed, by partition. */
  readonly committed: number[];
  /** Where its topic ends, by partition. */
  readonly ends: number[];
}

/** What the demo's thread says. */
export type FromWorld =
  | { type: "ready" }
  /** The shop is open. `startMs` is what the broker took, if it is the shop's own. */
  | { type: "opened"; bootstrapServers: string; startMs: number | null }
  /** Nothing more is sold; so many orders were, and so many payments were made. */
  | { type: "closed"; orders: number; payments: number }
  | { type: "audited"; groups: Record<keyof Shop["groups"], Audit>; deadLetters: number }
  | { type: "failed"; reason: string };
