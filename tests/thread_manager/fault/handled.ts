import assert from "node:assert/strict";
import type { Message } from "../../../mod.ts";
import { Collector } from "../../support/manager.ts";

/**
 * What the members of a group have been given, all of them together: which messages, which of them
 * twice, and whether any came out of order. The topic's offsets must be without gaps.
 */
export class Handled {
  readonly #seen = new Collector<string>();
  readonly #ofMember = new Map<string, number>();
  readonly #members = new Map<string, number>();
  readonly #distinct = new Set<string>();
  readonly #next = new Map<string, number>();
  readonly #first: number;
  /** Messages that were given more often than once, each time counted. */
  readonly duplicates: string[] = [];
  /** Messages that came before one with a smaller offset, or without those before them. */
  readonly disorder: string[] = [];

  /** @param first Offset of the first message of each partition that is expected. */
  constructor(first = 0) {
    this.#first = first;
  }

  /** Different messages so far. */
  get count(): number {
    return this.#distinct.size;
  }

  /** Notes that a member has been given a message. */
  readonly add = (message: Message, member = "a"): void => {
    const { topic, partition, offset, epoch } = message;
    const place = `${topic}/${partition}`;
    const name = `${place}@${offset} to ${member}, epoch ${epoch}`;
    const next = this.#next.get(place) ?? this.#first;
    // A member that gets what was given before may begin anew there, but never further on.
    if (offset > next) this.disorder.push(`${name}: ${next} has not come`);
    this.#next.set(place, Math.max(next, offset + 1));
    const assignment = `${place} ${member} ${epoch}`;
    const last = this.#ofMember.get(assignment);
    if (last !== undefined && offset !== last + 1) this.disorder.push(`${name}: after ${last}`);
    this.#ofMember.set(assignment, offset);
    this.#members.set(member, this.of(member) + 1);
    const key = `${place}@${offset}`;
    if (this.#distinct.has(key)) this.duplicates.push(name);
    this.#distinct.add(key);
    this.#seen.add(key);
  };

  /** The offsets that were given from this one on. */
  offsetsFrom(offset: number): number[] {
    return this.#seen.items.map((key) => Number(key.split("@")[1])).filter((at) => at >= offset);
  }

  /** How many messages a member has been given. */
  of(member: string): number {
    return this.#members.get(member) ?? 0;
  }

  /** Waits until so many different messages have come. */
  async until(count: number): Promise<void> {
    await this.#seen.until(`${count} different messages`, () => this.count >= count);
  }

  /** Waits until one member has been given so many messages. */
  async untilOf(member: string, count: number): Promise<void> {
    await this.#seen.until(`${count} messages to ${member}`, () => this.of(member) >= count);
  }

  /** Every message has come, each partition in order; each once, unless duplicates are allowed. */
  assertComplete(count: number, allowed: { duplicates?: boolean } = {}): void {
    assert.deepEqual(this.disorder.slice(0, 5), []);
    if (!allowed.duplicates) assert.deepEqual(this.duplicates.slice(0, 5), []);
    assert.equal(this.count, count);
  }
}
