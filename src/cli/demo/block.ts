import type { Consumer } from "../../consumer.ts";
import type { ThreadManager } from "../../thread_manager.ts";
import type { InvoiceTally } from "./tallies.ts";

const BLOCK_AFTER_MS = 3_000;

/** How long the callback blocks. */
export const BLOCK_MS = 3_000;

/** Who goes on meanwhile, and what of. */
export interface Witnesses {
  readonly manager: ThreadManager;
  readonly invoices: Consumer;
  readonly made: InvoiceTally;
}

/** What a callback should not do, and some must: compute without a pause. */
export class Block {
  done = false;
  /** Whether it is being told of, so that nothing else should be. */
  telling = false;
  /** How many heartbeats were answered while nothing ran on the program's thread. */
  heartbeats = 0;
  #at = Infinity;
  #from = 0;
  #to = 0;

  /** Sets the time for it. */
  begin(now: number): void {
    this.#at = now + BLOCK_AFTER_MS;
  }

  /** Blocks, if it is time and has not been done. */
  maybe(witnesses: Witnesses): void {
    if (this.done || performance.now() < this.#at) return;
    this.done = true;
    this.telling = true;
    console.log(`\n  A callback now computes for ${BLOCK_MS / 1_000} s; nothing else runs here …`);
    const before = witnesses.manager.stats().heartbeats;
    const end = performance.now() + BLOCK_MS;
    this.#from = Date.now();
    while (performance.now() < end);
    this.#to = Date.now();
    void this.#tell(witnesses, before).finally(() => this.telling = false);
  }

  /** How many invoices were begun and done meanwhile. */
  invoicesIn(made: InvoiceTally): number {
    return made.madeWithin(this.#from, this.#to);
  }

  async #tell({ manager, invoices, made }: Witnesses, before: number): Promise<void> {
    // Asks the threads, so that the figures are of now.
    const [{ status }] = await Promise.all([manager.health(), invoices.health()]);
    const { handled, deadLetters } = invoices.stats().handlers;
    // The lines of what is known to be handled may still be on their way.
    await made.count.reaches(handled + deadLetters);
    const { heartbeats, group, lag } = manager.stats();
    this.heartbeats = heartbeats - before;
    console.log(`  … and is done. Meanwhile the manager's thread has polled on and had \
${this.heartbeats} heartbeats answered,
  its group is ${group}, its health ${status}, and ${lag} orders wait for the callback; the handler
  threads, which need nobody, have made ${this.invoicesIn(made)} invoices.\n`);
  }
}
