import type { Member, Read, ToCommit } from "../client.ts";

/** Longer than anything takes that a member is waited for. */
const PATIENCE_MS = 30_000;

/** A member of a group, as far as all clients' members are alike. */
export class MemberState implements Member {
  readonly #leave: () => Promise<void>;
  readonly #records: Read[] = [];
  readonly #waiting = new Set<() => void>();
  #assigned: readonly string[] | undefined;
  #joins = 0;
  #error: unknown;
  #left: Promise<void> | undefined;
  readonly commit?: (offsets: readonly ToCommit[]) => Promise<void>;

  /**
   * @param leave Stops the client's consumer.
   * @param options What else it can do.
   */
  constructor(
    leave: () => Promise<void>,
    options: { commit?: (offsets: readonly ToCommit[]) => Promise<void> } = {},
  ) {
    this.#leave = leave;
    if (options.commit) this.commit = options.commit;
  }

  get assigned(): readonly string[] | undefined {
    return this.#assigned;
  }

  get joins(): number {
    return this.#joins;
  }

  get records(): readonly Read[] {
    return this.#records;
  }

  /** Says which partitions it has now; undefined for none until the next ones. */
  assign(partitions: readonly string[] | undefined): void {
    this.#assigned = partitions?.toSorted();
    if (partitions !== undefined) this.#joins++;
    this.#changed();
  }

  /** Says what it has read. */
  add(records: readonly Read[]): void {
    this.#records.push(...records);
    this.#changed();
  }

  /** Says that it can do no more. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.#changed();
  }

  async until(holds: (member: Member) => boolean, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = () => resolve();
    signal?.addEventListener("abort", stop);
    const look = () => {
      if (this.#error !== undefined) reject(this.#error);
      else if (holds(this)) resolve();
    };
    const timer = setTimeout(() => {
      const assigned = JSON.stringify(this.#assigned);
      const what = `it has ${assigned} and ${this.#records.length} records`;
      reject(new Error(`A member has waited for too long: ${what}, for ${holds}`));
    }, PATIENCE_MS);
    this.#waiting.add(look);
    try {
      look();
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      this.#waiting.delete(look);
    }
  }

  leave(): Promise<void> {
    return this.#left ??= this.#leave();
  }

  #changed(): void {
    for (const look of [...this.#waiting]) look();
  }
}
