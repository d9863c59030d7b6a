/** One run of a consumer: its poller, and all that runs its handlers. */

import { Executor } from "../executor/executor.ts";
import type { Handler } from "../handler.ts";
import { withFields } from "../logger.ts";
import type { ResolvedConsumerOptions } from "../options/consumer_options.ts";
import { SHUTDOWN_TIMEOUT_MS } from "../telemetry/instrumentation.ts";
import type { Channel } from "../threads/channel.ts";
import { encodeError } from "../threads/error_wire.ts";
import type { HandlingTimes } from "../threads/handling_times.ts";
import type { FromPoller, PollerSnapshot, WireEvent, WorkSnapshot } from "../threads/messages.ts";
import { portChannel } from "../threads/port_channel.ts";
import type { ExecutorOptions, FromExecutor, ToExecutor } from "../threads/work.ts";
import type { HandlerThreads, HandlerThreadsEvents } from "./handler_threads.ts";
import { isInside, runInside } from "./inside.ts";
import { type ActiveMessages, PollerRun, type PollerRunOptions } from "./poller_run.ts";
import { Standstill } from "./standstill.ts";

/** Longest wait for handler threads to tear down when everything else has ended. */
const TEARDOWN_TIMEOUT_MS = 5_000;

/** What a consumer's run is made of. */
export interface ConsumerRunOptions extends PollerRunOptions {
  /** What handles messages. */
  handler: ResolvedConsumerOptions["handler"];
  /** How it is run. */
  executor: ExecutorOptions;
  /** Makes the threads for a handler module; they are not started yet. */
  handlerThreads: ((events: HandlerThreadsEvents) => HandlerThreads) | undefined;
  /** Told what happens beside the messages themselves. */
  notify: (event: WireEvent) => void;
  /** What becomes of a program in which a thread hangs that cannot be ended. */
  onStuck: "replace" | "exit";
}

/** A run of a consumer. */
export class ConsumerRun extends PollerRun {
  readonly #options: ConsumerRunOptions;
  readonly #threads: HandlerThreads | null;
  /** Ports of executors that the poller has not been given, as it has not started. */
  readonly #waiting: { id: number; port: MessagePort }[] = [];
  /** Which executor each handler thread is now. */
  readonly #executorOf = new Map<number, number>();
  #executor: Executor | null = null;
  #closePort: () => void = () => {};
  #nextExecutor = 0;
  #posted = false;
  #paused = false;
  readonly #standstill: Standstill;

  constructor(options: ConsumerRunOptions) {
    super(options);
    this.#options = options;
    this.#standstill = new Standstill(options.poller.sessionTimeoutMs);
    this.#threads = options.handlerThreads?.({
      up: (thread, port) => this.#up(thread, port),
      down: (thread, error) => this.#down(thread, error),
      abandoned: (thread) => this.#abandoned(thread),
      giveUp: (error) => this.fail(error),
    }) ?? null;
  }

  get epoch(): number {
    return Math.max(
      this.options.poller.epoch ?? 0,
      ...(this.snapshot?.partitions ?? []).map(({ epoch }) => epoch),
    );
  }

  get messages(): number {
    return this.work?.finished ?? 0;
  }

  get bytes(): number {
    return this.work?.bytes ?? 0;
  }

  get inFlight(): number {
    return this.work?.underWay ?? 0;
  }

  get times(): HandlingTimes[] {
    return this.work?.times ?? [];
  }

  get active(): ActiveMessages[] {
    return this.#executor?.active() ?? this.work?.active ?? [];
  }

  get underWaySeconds(): number {
    return Math.floor((this.work?.oldestUnderWayMs ?? 0) / 1_000);
  }

  /** What the handlers do, as far as the poller knows. */
  get work(): WorkSnapshot | null {
    return this.snapshot?.work ?? null;
  }

  /** The handler threads, where the handler is a module. */
  get threads(): HandlerThreads | null {
    return this.#threads;
  }

  /** Milliseconds for which the group has stood still although there is something to read. */
  get standingStillMs(): number {
    return this.#standstill.ms;
  }

  /** For how many milliseconds the handler has had the message that it has had for longest, or null. */
  get oldestCallMs(): number | null {
    return this.#executor === null ? this.work?.oldestBegunMs ?? null : this.#executor.oldestCallMs;
  }

  /** Whether the program has paused it. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Has nothing more fetched or started, or goes on. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (this.#posted) this.post({ type: paused ? "pause" : "resume" });
  }

  // The handler that asks for a stop must not wait for itself.
  protected get isHandling(): boolean {
    return isInside(this.options.owner);
  }

  protected override async prepare(): Promise<void> {
    if (this.#threads !== null) return await this.#threads.start();
    const { port1, port2 } = new MessageChannel();
    const { handler, executor, logger, owner } = this.#options;
    if (handler.kind !== "function") return;
    const { handle, ...rest } = handler;
    const port = portChannel<ToExecutor, FromExecutor>(port1);
    const channel: Channel<ToExecutor, FromExecutor> = {
      post: port.post,
      // All that the executor does follows from what it is sent: marked here, every handler it calls is,
      // at no cost for each of them.
      get onMessage() {
        return port.onMessage;
      },
      set onMessage(listener: ((message: ToExecutor) => void) | null) {
        port.onMessage = listener === null
          ? null
          : (message) => runInside(owner, () => listener(message));
      },
    };
    const handlers = { handler: handle as Handler<never>, ...rest };
    this.#executor = new Executor(
      channel,
      handlers,
      executor,
      withFields(logger, { thread: "program" }),
    );
    this.#closePort = port.close;
    this.#executor.start();
    this.#waiting.push({ id: this.#nextExecutor++, port: port2 });
  }

  protected override posted(): void {
    this.#posted = true;
    if (this.#paused) this.post({ type: "pause" });
    for (const { id, port } of this.#waiting.splice(0)) this.#postExecutor(id, port);
  }

  protected begin(): void {}

  protected receive(message: FromPoller): void {
    if (message.type === "event") this.#options.notify(message.event);
    else if (message.type === "executor-stuck") this.#stuck(message.id);
  }

  protected tick(): void {
    this.rates.sample(performance.now(), this.messages, this.bytes);
  }

  protected override looked(snapshot: PollerSnapshot): void {
    this.#standstill.observe(snapshot);
  }

  protected stopTaking(): void {}

  protected abandon(): string {
    return this.inFlight > 0 ? "messages are still being handled" : "the thread has not closed";
  }

  protected async release(): Promise<void> {
    this.#executor?.close();
    this.#closePort();
    for (const { port } of this.#waiting.splice(0)) port.close();
    const { instrumentation } = this.#options.executor;
    await this.#threads?.stop(
      TEARDOWN_TIMEOUT_MS + (instrumentation === undefined ? 0 : SHUTDOWN_TIMEOUT_MS),
    );
  }

  #up(thread: number, port: MessagePort): void {
    const id = this.#nextExecutor++;
    this.#executorOf.set(thread, id);
    if (this.#posted) this.#postExecutor(id, port);
    else this.#waiting.push({ id, port });
  }

  #down(thread: number, error: Error): void {
    const id = this.#executorOf.get(thread);
    if (id === undefined) return;
    this.#executorOf.delete(thread);
    this.post({ type: "executor-gone", id, error: encodeError(error) });
  }

  #stuck(id: number): void {
    for (const [thread, executor] of this.#executorOf) {
      if (executor !== id) continue;
      this.#executorOf.delete(thread);
      this.#threads?.replace(thread, "it hangs");
    }
  }

  #abandoned(thread: number): void {
    const { logger, onStuck, poller } = this.#options;
    const what = `Handler thread ${thread} of "${poller.name}" hangs and cannot be ended`;
    if (onStuck === "replace") {
      return logger.error(
        `${what}: it is abandoned, and takes a core until the program ends`,
        { thread: `handler ${thread}` },
      ) as void;
    }
    logger.error(`${what}: the program is ended, as onStuck: "exit" says`, {
      thread: `handler ${thread}`,
    });
    this.fail(new Error(what));
    this.ended.catch(() => exit(1));
  }

  #postExecutor(id: number, port: MessagePort): void {
    this.post({ type: "executor", id, port, watched: this.#threads !== null }, [port]);
  }
}

function exit(code: number): void {
  const { Deno, process } = globalThis as {
    Deno?: { exit(code: number): void };
    process?: { exit(code: number): void };
  };
  if (Deno !== undefined) Deno.exit(code);
  else process?.exit(code);
}
