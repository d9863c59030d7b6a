// Judges what handlers of several processes have done: a pure reading of the journal.
import type { JournalRecord } from "./journal.ts";

/** Where a message stands: what is handled one after the other is a lane. */
export interface Place {
  lane: string;
  /** Its turn in the lane, from 0. */
  turn: number;
}

interface Attempt {
  readonly owner: string;
  readonly message: string;
  /** It was under way when its thread crashed. */
  doomed: boolean;
  /** Somebody else has begun in its lane since. */
  overtaken: boolean;
}

interface Lane {
  /** How many of its first messages have ended well. */
  done: number;
  readonly ended: Set<number>;
  readonly open: Set<Attempt>;
}

/** What has been done with the messages of a topic. */
export class History {
  readonly #placeOf: (message: string) => Place;
  readonly #lanes = new Map<string, Lane>();
  /** What is under way, by owner and message. */
  readonly #open = new Map<string, Attempt>();
  readonly #crashed = new Set<string>();
  readonly #dead = new Set<string>();
  /** How often each has begun. */
  readonly begun = new Map<string, number>();
  /** By whom each has been ended well, each time. */
  readonly ended = new Map<string, string[]>();
  /** What begins again, failures included, by the member that had it before. */
  readonly repeats = new Map<string, string[]>();
  /** What was under way in members that were killed. */
  readonly interrupted = new Map<string, string[]>();
  readonly #lastBegunBy = new Map<string, string>();
  /** How often members have begun something. */
  readonly begunBy = new Map<string, number>();
  /** Messages that ended well more often than once, each time counted. */
  readonly duplicates: string[] = [];
  /** Those of them that nobody's death explains. */
  readonly unexcused: string[] = [];
  /** What was not in order, or at the same time. */
  readonly wrong: string[] = [];
  kills = 0;
  crashes = 0;
  failures = 0;

  /** @param placeOf Where a message stands. */
  constructor(placeOf: (message: string) => Place) {
    this.#placeOf = placeOf;
  }

  /** How many different messages have ended well. */
  get completed(): number {
    return this.ended.size;
  }

  /** How often messages came to a handler again. */
  get repeated(): number {
    return [...this.repeats.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Takes in the next record. */
  readonly add = (record: JournalRecord): void => {
    const { kind, member, thread, message } = record;
    const owner = `${member}.${thread}`;
    switch (kind) {
      case "begin":
        return this.#begin(member, owner, message);
      case "end":
      case "fail":
        return this.#end(owner, message, kind === "end");
      case "crash":
        this.crashes++;
        this.#crashed.add(owner);
        for (const attempt of this.#open.values()) {
          if (attempt.owner === owner) attempt.doomed = true;
        }
        return;
      case "kill":
        this.kills++;
        this.#dead.add(member);
        this.interrupted.set(member, []);
        for (const [key, attempt] of this.#open) {
          if (!attempt.owner.startsWith(`${member}.`)) continue;
          this.#open.delete(key);
          this.interrupted.get(member)!.push(attempt.message);
          this.#lane(attempt.message).open.delete(attempt);
        }
    }
  };

  #begin(member: string, owner: string, message: string): void {
    const { turn } = this.#placeOf(message);
    const lane = this.#lane(message);
    this.begun.set(message, (this.begun.get(message) ?? 0) + 1);
    this.begunBy.set(member, (this.begunBy.get(member) ?? 0) + 1);
    const before = this.#lastBegunBy.get(message);
    if (before !== undefined) {
      this.repeats.set(before, [...this.repeats.get(before) ?? [], message]);
    }
    this.#lastBegunBy.set(message, member);
    if (this.#dead.has(member)) this.wrong.push(`${message} began in ${owner}, which is dead`);
    for (const attempt of lane.open) {
      attempt.overtaken = true;
      if (attempt.doomed) continue;
      this.wrong.push(`${message} began in ${owner} beside ${attempt.message} in ${attempt.owner}`);
    }
    if (turn > lane.done) {
      this.wrong.push(`${message} began in ${owner} before its turn: ${turn}, not ${lane.done}`);
    }
    const attempt = { owner, message, doomed: this.#crashed.has(owner), overtaken: false };
    this.#open.set(`${owner} ${message}`, attempt);
    lane.open.add(attempt);
  }

  #end(owner: string, message: string, well: boolean): void {
    const attempt = this.#open.get(`${owner} ${message}`);
    if (attempt === undefined) {
      this.wrong.push(`${message} ended in ${owner}, where it had not begun`);
      return;
    }
    const lane = this.#lane(message);
    this.#open.delete(`${owner} ${message}`);
    lane.open.delete(attempt);
    if (attempt.overtaken) {
      this.wrong.push(`${message} went on in ${owner} while others of its lane began`);
    }
    if (!well) {
      this.failures++;
      return;
    }
    const { turn } = this.#placeOf(message);
    const earlier = this.ended.get(message);
    if (earlier === undefined) {
      this.ended.set(message, [attempt.doomed ? `${owner}, doomed` : owner]);
    } else {
      this.duplicates.push(message);
      const excused = earlier.some((by) => by.endsWith(", doomed") || this.#isDead(by));
      if (!excused) this.unexcused.push(`${message} by ${owner} after ${earlier}`);
      earlier.push(owner);
    }
    lane.ended.add(turn);
    while (lane.ended.delete(lane.done)) lane.done++;
  }

  #isDead(owner: string): boolean {
    return this.#dead.has(owner.slice(0, owner.indexOf(".")));
  }

  #lane(message: string): Lane {
    const { lane: name } = this.#placeOf(message);
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      this.#lanes.set(name, lane = { done: 0, ended: new Set(), open: new Set() });
    }
    return lane;
  }
}
