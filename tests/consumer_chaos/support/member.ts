import assert from "node:assert/strict";
import type { Health, ParallelConsumerOptions, WorkerStats } from "../../../mod.ts";
import { type Child, type Ended, runChild } from "../../support/child.ts";
import { describeGroup } from "../../support/kafka/mod.ts";
import { evict } from "../../thread_manager/fault/evict.ts";
import type { Journal } from "./journal.ts";

const PROGRAM = new URL("../fixtures/member_program.ts", import.meta.url);
/** The long runs' processes live longer than a test may take. */
const PATIENCE_MS = 3_600_000;

/** What its figures have not become after this time they will not become. */
const STATS_PATIENCE_MS = 45_000;
/** Before the figures that it prints when it has ended. */
const LAST = "stats last ";

type MemberParallelOptions = Omit<
  Partial<ParallelConsumerOptions>,
  "handler" | "schema" | "decode" | "commit" | "name" | "bootstrapServers" | "groupId" | "topics"
>;

/** What a member is told. */
export interface MemberOptions extends MemberParallelOptions {
  bootstrapServers: string;
  groupId: string;
  topics: string[];
  kind: "ordered" | "parallel";
  /** Where handlers run. */
  handlers: "function" | "module";
  /** Names it in the journal. */
  name: string;
  commit?: "each" | "continuous" | { intervalMs: number };
}

/** The figures that a member prints. */
export interface MemberStats extends WorkerStats {
  health: Health;
}

/** A member of a group, in a process of its own. */
export class Member implements AsyncDisposable {
  readonly name: string;
  readonly #child: Child;
  readonly #journal: Journal;
  readonly #options: MemberOptions;
  #ending = false;
  #asked = 0;

  /** Starts it. */
  constructor(journal: Journal, options: MemberOptions) {
    this.name = options.name;
    this.#journal = journal;
    this.#options = options;
    const args = [JSON.stringify({ clientId: options.name, ...options })];
    this.#child = runChild(PROGRAM, args, {}, PATIENCE_MS);
    void this.#child.ended.then((ended) => {
      if (this.#ending) return;
      journal.fail(new Error(`The member ${this.name} has ended: ${describe(ended)}`));
    });
  }

  /** Resolves when it has joined the group. */
  async started(): Promise<void> {
    await this.#child.line("started");
  }

  /** Lets it end without that being a failure. */
  get ended(): Promise<Ended> {
    this.#ending = true;
    return this.#child.ended;
  }

  /** What it is doing. */
  async stats(): Promise<MemberStats> {
    const id = ++this.#asked;
    this.#child.send(`stats ${id}`);
    return JSON.parse(await this.#child.line(`stats ${id} `));
  }

  /** Asks what it is doing until that is as it should be. */
  async untilStats(what: string, holds: (stats: MemberStats) => boolean): Promise<MemberStats> {
    const deadline = performance.now() + STATS_PATIENCE_MS;
    for (;;) {
      const stats = await this.stats();
      if (holds(stats)) return stats;
      assert(performance.now() < deadline, `${what}: ${JSON.stringify(stats)}`);
    }
  }

  /** Has it stop in good order, and reads its last figures. */
  async stop(): Promise<{ stats: MemberStats; assignments: number }> {
    this.#child.send("stop");
    const ended = await this.ended;
    assert.deepEqual([ended.code, ended.stderr], [0, ""], describe(ended));
    return {
      stats: lastStats(ended),
      assignments: ended.stdout.match(/^assigned /gm)?.length ?? 0,
    };
  }

  /**
   * Kills it as a power cut does.
   *
   * @param evicted Whether the group hears of it at once, and not when its session is over.
   */
  async kill({ evicted }: { evicted: boolean }): Promise<Ended> {
    const { ended } = this;
    this.#child.kill("SIGKILL");
    const end = await ended;
    assert.equal(end.signal, "SIGKILL", describe(end));
    this.#journal.killed(this.name);
    if (evicted) await this.#evict();
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    await this.#child[Symbol.asyncDispose]();
  }

  async #evict(): Promise<void> {
    const { bootstrapServers, groupId, name } = this.#options;
    const { members } = await describeGroup(bootstrapServers, groupId);
    for (const { memberId, clientId } of members) {
      // It may have left a member that had not joined for good.
      if (clientId === name) await evict(bootstrapServers, groupId, memberId);
    }
  }
}

/** The figures in what a member has printed. */
export function lastStats({ stdout }: Ended): MemberStats {
  const line = stdout.split("\n").findLast((line) => line.startsWith(LAST));
  return JSON.parse(line!.slice(LAST.length));
}

function describe({ code, signal, stdout, stderr }: Ended): string {
  return `code ${code}, signal ${signal}\n${stdout.slice(-2_000)}\n${stderr.slice(-2_000)}`;
}
