import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Access, JoinOptions, Member, Read, ToCommit } from "../client.ts";
import { nameOfCode, ReportedError } from "../errors.ts";
import { endWithUs } from "./children.ts";
import { MemberState } from "./member_state.ts";

/** What a driver's line says. */
interface Line {
  id?: number;
  answer?: unknown;
  error?: { name: string; code: number; message: string };
  record?: Read;
  member?: number;
  assigned?: string[] | null;
  records?: Read[];
}

interface Pending {
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
  onRecord: ((record: Read) => void) | undefined;
}

/** A client in another process, to which commands go by lines of JSON. */
export class Driver implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #members = new Map<number, MemberState>();
  readonly #closed: Promise<unknown>;
  #complaints = "";
  #number = 0;

  /**
   * Starts the process.
   *
   * @param command The program.
   * @param args Its arguments.
   */
  constructor(command: string, args: readonly string[]) {
    const child = endWithUs(spawn(command, args, {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, NO_COLOR: "1" },
      stdio: ["pipe", "pipe", "pipe"],
    }));
    this.#child = child;
    this.#closed = once(child, "close").catch(() => {});
    child.stdin.on("error", () => {});
    child.stderr.setEncoding("utf8").on("data", (text) => this.#complaints += text);
    createInterface({ input: child.stdout }).on("line", (line) => this.#take(line));
    child.once("close", () => {
      const error = new Error(`The client's process has ended: ${this.#complaints.trim()}`);
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
  }

  /**
   * Runs a command.
   *
   * @param what Its name.
   * @param args What it takes.
   * @param onRecord Is told of each record that it reads.
   * @returns Its answer.
   */
  call<T>(what: string, args: object, onRecord?: (record: Read) => void): Promise<T> {
    const id = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject, onRecord });
      this.#child.stdin!.write(`${JSON.stringify({ ...args, id, do: what })}\n`);
    });
  }

  /**
   * Joins a group in that process.
   *
   * @param access The broker.
   * @param options How.
   * @returns The member.
   */
  join(access: Access, options: JoinOptions): Member {
    const member = ++this.#number;
    const leave = () => this.call<void>("leave", { member });
    const state = new MemberState(leave, {
      commit: (offsets: readonly ToCommit[]) => this.call<void>("commit", { member, offsets }),
    });
    this.#members.set(member, state);
    this.call("join", { access, member, ...options }).catch((error) => state.fail(error));
    return state;
  }

  /** Ends the process without a word to anybody. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }

  /** Lets the process stand still. */
  freeze(): void {
    // Not by `kill` of the child: Deno takes any signal for its end, and writes to it no more.
    process.kill(this.#child.pid!, "SIGSTOP");
  }

  /** Lets it go on. */
  thaw(): void {
    process.kill(this.#child.pid!, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #take(text: string): void {
    const line = JSON.parse(text) as Line;
    if (line.member !== undefined) {
      const state = this.#members.get(line.member)!;
      if (line.records) state.add(line.records);
      if (line.assigned !== undefined) state.assign(line.assigned ?? undefined);
      if (line.error) state.fail(toError(line.error));
      return;
    }
    const pending = this.#pending.get(line.id!);
    if (line.record) return pending?.onRecord?.(line.record);
    this.#pending.delete(line.id!);
    if (line.error) pending?.reject(toError(line.error));
    else pending?.resolve(line.answer ?? undefined);
  }
}

/**
 * Starts a TypeScript program that takes such commands, on this runtime.
 *
 * @param program Its file.
 * @param args Its arguments.
 * @returns The program.
 */
export function programDriver(program: URL, args: readonly string[]): Driver {
  const deno = "Deno" in globalThis ? ["run", "--quiet", "--no-check", "--allow-all"] : [];
  return new Driver(process.execPath, [...deno, fileURLToPath(program), ...args]);
}

function toError({ name, code, message }: NonNullable<Line["error"]>): Error {
  // librdkafka has names of its own for the same errors; what is below 0 is not Kafka's.
  return new ReportedError(code > 0 ? nameOfCode(code) : name, message);
}
