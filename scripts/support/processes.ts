import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";

/** How a command is run. */
export interface CommandOptions {
  /** Variables beside those of this process; undefined removes one. */
  env?: Record<string, string | undefined>;
  /** Where it runs; default: the root of the repository, where tasks run. */
  cwd?: string;
  /** Kept and returned instead of being shown; default false. */
  quiet?: boolean;
  /** After so many milliseconds it is killed, with all it has started; default: never. */
  timeoutMs?: number;
}

/** How a command ended. */
export interface CommandResult {
  /** Its exit code; 1 where a signal ended it. */
  code: number;
  /** What it printed, if it was quiet. */
  output: string;
  /** Whether it was killed because its time was over. */
  late: boolean;
}

/** How long what a command has started may go on after it: Kafka's guards clean up. */
const CLOSING_MS = 3_000;

/** The commands that run, by process number. */
const running = new Map<number, Promise<unknown>>();
let listening = false;
let interrupted = false;

/**
 * Runs a command to its end. It is the head of a process group of its own, so that whatever it has
 * started ends with it, also when this process is interrupted or its time is over.
 *
 * @param command The program and its arguments.
 * @param options How.
 * @returns How it ended.
 * @throws {Error} If there is no such program.
 */
export async function runCommand(
  [program, ...args]: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  endTogether();
  if (interrupted) return await forever();
  const stdio = options.quiet ? "pipe" : "inherit";
  const child = spawn(program!, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", stdio, stdio],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  const { pid } = child;
  // Where there is no such program, this is what says so.
  if (pid === undefined) throw (await once(child, "error"))[0];
  const ended = untilEnded(child, pid);
  running.set(pid, ended);
  let late = false;
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => {
    late = true;
    kill(pid);
  }, options.timeoutMs);
  const code = await ended;
  clearTimeout(timer);
  running.delete(pid);
  if (interrupted) return await forever();
  return { code: code ?? 1, output, late };
}

/** Waits for the end of a process and of all that it has started, and sees to the latter. */
async function untilEnded(child: ChildProcess, pid: number): Promise<number | null> {
  const closed = once(child, "close");
  const [code] = await once(child, "exit") as [number | null];
  // What it has left behind would go on using the machine; what still cleans up holds the output.
  const patience = setTimeout(() => {
    kill(-pid);
    // And what is out of our reach.
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, CLOSING_MS);
  await closed;
  clearTimeout(patience);
  kill(-pid);
  return code;
}

/**
 * Has this process, when it is interrupted, end with all the commands it runs, and by `process.exit()`.
 * {@linkcode runCommand} sees to it too.
 */
export function endTogether(): void {
  if (listening) return;
  listening = true;
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    process.on(signal, async () => {
      // Twice: whoever sends it has no patience.
      for (const pid of running.keys()) kill(interrupted ? -pid : pid);
      if (!interrupted) {
        interrupted = true;
        await Promise.all(running.values());
      }
      // Kafka's guards see this process go and clean up after it.
      process.exit(code);
    });
  }
}

/** What this process waits for that is about to exit. */
function forever(): Promise<never> {
  return new Promise(() => {});
}

/** Kills a process, or, by a negative number, a group. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
