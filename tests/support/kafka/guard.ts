import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";

// Holds the read end of a pipe whose write end only the test process has. When the pipe closes
// without a word, that process is gone, however it went: the command is killed and the folder
// removed. Several guards may share a folder: each removes it after its own command is dead, so
// the last one finds nobody writing any more.
//
// $1 folder, $2 log file, then the command.
const SCRIPT = `
folder=$1; log=$2; shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
pid=$!
# Only from here on: the command must not inherit ignored signals.
trap '' INT HUP TERM PIPE
echo "pid $pid"
# A subshell may not ignore TERM, since the line after "wait" ends it with that.
( trap - TERM; read -r line <&3; kill -KILL "$pid" 2>/dev/null ) &
reader=$!
wait "$pid" 2>/dev/null
status=$?
kill -TERM "$reader" 2>/dev/null
echo "exit $status" 2>/dev/null
read -r line <&3 || rm -rf "$folder"
`;

/** A process that does not outlive this one. */
export interface GuardedProcess {
  /** The process itself, not its guard. */
  readonly pid: number;
  /** The exit status once it has ended (128 + signal if a signal ended it), undefined before. */
  readonly status: number | undefined;
  /** Resolves with the exit status. */
  readonly exited: Promise<number>;
  /** Sends a signal; does nothing when the process has ended. */
  signal(name: NodeJS.Signals): void;
  /** Ends the guard of an ended process, without removing the folder. */
  release(): void;
}

/** What {@linkcode spawnGuarded} takes. */
export interface GuardedOptions {
  /** Removed, with all it holds, when this process ends without having released the guard. */
  folder: string;
  /** Gets what the command prints. */
  log: string;
}

/**
 * Runs a command under a guard that kills it and removes its folder when this process ends, be it
 * by SIGKILL. Neither the command nor the guard keeps this process alive.
 *
 * @param command The program and its arguments.
 * @param options The folder and the log file.
 * @returns The process, once it has been started.
 */
export function spawnGuarded(command: string[], options: GuardedOptions): Promise<GuardedProcess> {
  // The guard shares our standard error: who waits for that to close waits for the cleanup too.
  const guard = spawn("sh", ["-c", SCRIPT, "guard", options.folder, options.log, ...command], {
    cwd: options.folder,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const input = guard.stdin;
  // The guard may be gone already when we release it.
  input.on("error", () => {});
  guard.unref();
  for (const stream of [input, guard.stdout]) {
    (stream as unknown as { unref?: () => void }).unref?.();
  }

  return whileHeld(
    new Promise((resolve, reject) => {
      let status: number | undefined;
      let settle: (status: number) => void;
      const exited = new Promise<number>((done) => settle = done);
      const end = (code: number): void => {
        status ??= code;
        settle(status);
      };
      guard.once("error", reject);
      guard.once("exit", () => {
        reject(new Error(`Cannot start "${command[0]}"`));
        end(1);
      });
      createInterface({ input: guard.stdout }).on("line", (line) => {
        const [word, number] = line.split(" ");
        if (word === "exit") return end(Number(number));
        const pid = Number(number);
        resolve({
          pid,
          get status() {
            return status;
          },
          exited,
          signal(name) {
            if (status !== undefined) return;
            try {
              process.kill(pid, name);
            } catch (error) {
              if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
            }
          },
          release() {
            input.end("released\n");
          },
        });
      });
    }),
  );
}

/**
 * Keeps this process alive while something is awaited that does not do so itself.
 *
 * @typeParam T What it resolves to.
 * @param promise What is awaited.
 * @returns The same.
 */
export async function whileHeld<T>(promise: Promise<T>): Promise<T> {
  const hold = setInterval(() => {}, 60_000);
  try {
    return await promise;
  } finally {
    clearInterval(hold);
  }
}
