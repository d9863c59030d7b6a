// Handler threads with a test in the poller's place.
import type { ThreadError } from "../../src/errors.ts";
import type { Logger } from "../../src/logger.ts";
import { HandlerThreads, type HandlerThreadsOptions } from "../../src/program/handler_threads.ts";
import { type PortChannel, portChannel } from "../../src/threads/port_channel.ts";
import type { FromExecutor, ToExecutor } from "../../src/threads/work.ts";
import { executorOptions, namesOf, recordingLogger, workBatch } from "../executor/work.ts";

/** A thread as the poller sees it. */
export interface Seen {
  thread: number;
  channel: PortChannel<FromExecutor, ToExecutor>;
  begun: string[];
  finished: string[];
  failed: string[];
  overdue: string[];
}

/** What has happened, in words. */
export type Happening =
  | { what: "up"; thread: number; seen: Seen }
  | { what: "down"; thread: number; error: ThreadError }
  | { what: "abandoned"; thread: number }
  | { what: "giveUp"; error: ThreadError }
  | { what: "report"; thread: number };

/** Handler threads, and everything that they have told. */
export class Rig implements AsyncDisposable {
  readonly logger = recordingLogger();
  readonly happenings: Happening[] = [];
  readonly seen: Seen[] = [];
  readonly threads: HandlerThreads;
  #happened = Promise.withResolvers<void>();
  #batches = 0;

  constructor(fixture: string, some: Partial<HandlerThreadsOptions> = {}) {
    this.threads = new HandlerThreads({
      name: "orders",
      count: 1,
      module: new URL(`./fixtures/${fixture}`, import.meta.url),
      worker: undefined,
      executor: executorOptions(),
      restarts: { max: 3, withinMs: 60_000 },
      startTimeoutMs: 20_000,
      logger: this.#listened(this.logger),
      ...some,
    }, {
      up: (thread, port) => this.#up(thread, port),
      down: (thread, error) => this.#tell({ what: "down", thread, error }),
      abandoned: (thread) => this.#tell({ what: "abandoned", thread }),
      giveUp: (error) => this.#tell({ what: "giveUp", error }),
    });
  }

  /** Hands a thread messages with these values. */
  work(seen: Seen, values: readonly unknown[], runs?: number[]): number {
    const batch = this.#batches++;
    const work = workBatch(batch, values, runs === undefined ? {} : { runs });
    seen.channel.post({ type: "work", batches: [work] });
    return batch;
  }

  /** The first happening that a test holds for; waits for it. */
  async until<What extends Happening["what"]>(
    what: What,
    holds: (happening: Happening & { what: What }) => boolean = () => true,
  ): Promise<Happening & { what: What }> {
    for (;;) {
      const found = this.happenings.find((happening): happening is Happening & { what: What } =>
        happening.what === what && holds(happening as Happening & { what: What })
      );
      if (found !== undefined) return found;
      await this.#happened.promise;
    }
  }

  /** Waits until a thread has told something. */
  async untilTold(seen: Seen, list: "begun" | "finished" | "failed" | "overdue", name: string) {
    while (!seen[list].includes(name)) await this.#happened.promise;
  }

  /** Waits for a line of the log: it takes another way than what a thread tells. */
  async untilLogged(message: string) {
    for (;;) {
      const line = this.logger.lines.find((line) => line.message === message);
      if (line !== undefined) return line;
      await this.#happened.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.threads.stop(5_000);
    for (const { channel } of this.seen) channel.close();
  }

  #listened(logger: Logger): Logger {
    const at =
      (level: "debug" | "info" | "warn" | "error"): Logger["info"] => (message, fields) => {
        logger[level](message, fields);
        this.#wake();
      };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  }

  #up(thread: number, port: MessagePort): void {
    const channel = portChannel<FromExecutor, ToExecutor>(port);
    const seen: Seen = { thread, channel, begun: [], finished: [], failed: [], overdue: [] };
    this.seen.push(seen);
    channel.onMessage = (message) => {
      if (message.type === "overdue") seen.overdue.push(`${message.batch}:${message.index}`);
      else {
        seen.begun.push(...namesOf(message.begun));
        seen.finished.push(...namesOf(message.finished));
        seen.failed.push(...message.failed.map(({ batch, index }) => `${batch}:${index}`));
      }
      this.#tell({ what: "report", thread });
    };
    this.#tell({ what: "up", thread, seen });
  }

  #tell(happening: Happening): void {
    this.happenings.push(happening);
    this.#wake();
  }

  #wake(): void {
    this.#happened.resolve();
    this.#happened = Promise.withResolvers();
  }
}
