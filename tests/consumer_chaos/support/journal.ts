// What handlers do, written down by all threads of all processes in one file: the kernel puts what they
// append in an order, and what a process has written stays when it is killed.
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  readSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/**
 * What is written down: a handler begins, ends well, fails as planned, or is about to end its thread; a
 * member was killed.
 */
export type RecordKind = "begin" | "end" | "fail" | "crash" | "kill";

/** One line of the file. */
export interface JournalRecord {
  kind: RecordKind;
  /** The process. */
  member: string;
  /** The thread in it; one that replaces another has another name. */
  thread: string;
  /** `partition/offset`; empty where there is none. */
  message: string;
}

/** What handlers do, beside writing it down. */
export interface HandlerPlan {
  /** What is random depends on it, and on partition and offset. */
  seed: number;
  /** Most milliseconds that a handler takes. */
  workMs: number;
  /** Which part of the handlers takes no time, and returns no promise. */
  sync: number;
  /** Which part of the messages fails at first, once or twice. */
  failures: number;
  /** Messages (`partition/offset`) whose handlers end their thread, once each. */
  crashes: string[];
  /** Messages whose handlers never end. */
  stuck: string[];
  /** Messages whose handlers never give up their thread, once each. */
  loops: string[];
  /** Milliseconds for which every handler keeps its thread busy. */
  busyMs: number;
}

/** A plan for handlers that do nothing but what is said. */
export function handlerPlan(plan: Partial<HandlerPlan>): HandlerPlan {
  return {
    seed: 1,
    workMs: 0,
    sync: 0.5,
    failures: 0,
    crashes: [],
    stuck: [],
    loops: [],
    busyMs: 0,
    ...plan,
  };
}

/** The file's name without its folder: threads find it by the name of their group. */
const FILE = "journal";
const PLAN = "plan.json";
/** What has not gone on for so long will not go on. */
const PATIENCE_MS = 45_000;
/** How often the file is looked at where nobody says reliably that it has changed. */
const TICK_MS = 20;

/** How a handler writes. */
export interface JournalWriter {
  readonly plan: HandlerPlan;
  /** Writes a line down; it is there when this returns. */
  write(kind: RecordKind, message: string): void;
  /** Whether this is the first time that anybody, in whatever process, says this. */
  first(what: string): boolean;
  close(): void;
}

/** Opens the file of a group, in any thread of any process. */
export function openJournal(groupId: string, member: string, thread: string): JournalWriter {
  const folder = join(tmpdir(), groupId);
  const file = openSync(join(folder, FILE), "a");
  return {
    plan: JSON.parse(readFileSync(join(folder, PLAN), "utf8")),
    write: (kind, message) => void writeSync(file, `${kind} ${member} ${thread} ${message}\n`),
    first(what) {
      try {
        writeFileSync(join(folder, what), "", { flag: "wx" });
        return true;
      } catch {
        return false;
      }
    },
    close: () => closeSync(file),
  };
}

/** The test's side of the file. */
export class Journal implements AsyncDisposable {
  /** The group that has this journal: its name is that of the folder. */
  readonly groupId: string;
  readonly #folder: string;
  readonly #read: (record: JournalRecord) => void;
  readonly #file: number;
  readonly #watcher: ReturnType<typeof watch>;
  readonly #ticks: ReturnType<typeof setInterval> | undefined;
  readonly #bytes = new Uint8Array(1 << 16);
  readonly #decoder = new TextDecoder();
  #rest = "";
  #position = 0;
  #changed = Promise.withResolvers<void>();
  #failure: Error | null = null;

  private constructor(folder: string, read: (record: JournalRecord) => void) {
    this.#folder = folder;
    this.groupId = basename(folder);
    this.#read = read;
    writeFileSync(join(folder, FILE), "");
    this.#file = openSync(join(folder, FILE), "r");
    this.#watcher = watch(join(folder, FILE), () => this.#look());
    // Bun leaves out changes that follow soon after one that it has told of, the last one included, on
    // Linux too (oven-sh/bun#39070).
    if ("Bun" in globalThis) this.#ticks = setInterval(() => this.#look(), TICK_MS);
  }

  /**
   * Makes a folder with the file in it; disposing removes it.
   *
   * @param read Called with each record, in order.
   */
  static async create(read: (record: JournalRecord) => void): Promise<Journal> {
    return new Journal(await mkdtemp(join(tmpdir(), "chaos.")), read);
  }

  /** Says what handlers that are started from now on do. */
  plan(plan: HandlerPlan): void {
    writeFileSync(join(this.#folder, PLAN), JSON.stringify(plan));
  }

  /** Writes down that a process is dead: nothing more comes from it. */
  killed(member: string): void {
    appendFileSync(join(this.#folder, FILE), `kill ${member} - \n`);
    this.#look();
  }

  /** Has all that waits, or will wait, reject. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#change();
  }

  /**
   * Waits until something holds, asked after each change of the file. Rejects when nothing more comes.
   *
   * @param what Named in the error.
   */
  async until(what: () => string, holds: () => boolean): Promise<void> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      this.#look();
      if (holds()) return;
      let timer;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new Error(`${what()}: nothing has happened for ${PATIENCE_MS} ms`)),
          PATIENCE_MS,
        );
      });
      try {
        await Promise.race([this.#changed.promise, late]);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher.close();
    clearInterval(this.#ticks);
    closeSync(this.#file);
    await rm(this.#folder, { recursive: true });
  }

  #look(): void {
    let news = false;
    for (;;) {
      const count = readSync(this.#file, this.#bytes, 0, this.#bytes.length, this.#position);
      if (count === 0) break;
      this.#position += count;
      const lines = (this.#rest + this.#decoder.decode(this.#bytes.subarray(0, count))).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) {
        const [kind, member, thread, message] = line.split(" ");
        this.#read({
          kind: kind as RecordKind,
          member: member!,
          thread: thread!,
          message: message!,
        });
      }
      news = true;
    }
    if (news) this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    // It may reject when nobody waits.
    this.#changed.promise.catch(() => {});
  }
}
