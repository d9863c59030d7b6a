import { spawn } from "node:child_process";
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
  /** Changes what it prints on its way to our output; default: nothing changes. */
  rewrite?: (text: string) => string;
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

/** How long what a command left behind, out of our reach, may hold its output open. */
const CLOSING_MS = 5_000;

const running = new Set<number>();
let listening = false;

/**
 * Runs a command to its end. It is the head of a process group of its own, so that whatever it has
 * started ends with it when this process is interrupted or its time is over.
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
  const { quiet, rewrite } = options;
  const child = spawn(program!, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", quiet || rewrite ? "pipe" : "inherit", quiet ? "pipe" : "inherit"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      if (quiet) output += text;
      else process.stdout.write(rewrite!(text));
    });
  }
  let late = false;
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => {
    late = true;
    killGroup(child.pid!, "SIGKILL");
  }, options.timeoutMs);
  try {
    if (child.pid !== undefined) running.add(child.pid);
    const closed = once(child, "close");
    // Where there is no such program, whoever waits for its exit hears of it.
    closed.catch(() => {});
    const [code] = await once(child, "exit") as [number | null];
    // What it has left behind would go on using the machine, and keep the output open.
    if (child.pid !== undefined) killGroup(child.pid, "SIGKILL");
    const patience = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, CLOSING_MS);
    await closed;
    clearTimeout(patience);
    return { code: code ?? 1, output, late };
  } finally {
    clearTimeout(timer);
    if (child.pid !== undefined) {
      running.delete(child.pid);
      killGroup(child.pid, "SIGKILL");
    }
  }
}

/**
 * Has this process, when it is interrupted, end with all the commands it runs, and by `process.exit()`.
 * {@linkcode runCommand} sees to it too.
 */
export function endTogether(): void {
  if (listening) return;
  listening = true;
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    process.on(signal, () => {
      for (const pid of running) killGroup(pid, "SIGKILL");
      // Kafka's guards see this process go and clean up after it.
      process.exit(code);
    });
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}
