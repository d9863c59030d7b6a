import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { KafkaBrokerOptions } from "../../../src/testing/mod.ts";
import { runtimeArgs } from "../child.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import type { KafkaCluster, KafkaClusterOptions, KafkaTestBroker } from "./cluster.ts";
import type {
  EmbeddedAnswer,
  EmbeddedOrder,
  EmbeddedStart,
  EmbeddedStarted,
} from "./embedded_program.ts";
import { whileHeld } from "./guard.ts";
import { SASL_USER } from "./sasl.ts";
import { untilItStandsStill } from "./stands_still.ts";

const PROGRAM = fileURLToPath(new URL("./embedded_program.ts", import.meta.url));
const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;

/** What {@linkcode startEmbeddedKafka} takes. */
export interface EmbeddedKafkaOptions extends KafkaClusterOptions {
  /** The command of the runtime that it runs in, up to the file; default: this one. */
  runtime?: readonly string[];
}

/** A running broker of `./testing`, or several, all in one process. */
export interface EmbeddedKafka extends KafkaCluster {
  /** That process. */
  readonly pid: number;
}

/**
 * Starts the broker of `./testing` in a process of its own, set up as the Apache Kafka of the tests is:
 * a test that keeps its thread busy, or measures, does so without it. It ends with
 * {@linkcode EmbeddedKafka.stop}, with `await using`, or when this process ends, however that happens; it
 * does not keep this process alive.
 *
 * @param options How many brokers and which listeners.
 * @returns The running cluster.
 * @throws {Error} When it cannot start, with the reason.
 */
export async function startEmbeddedKafka(
  options: EmbeddedKafkaOptions = {},
): Promise<EmbeddedKafka> {
  const [command, ...args] = options.runtime ?? [process.execPath, ...runtimeArgs()];
  const certificates = options.tls ? await temporaryCertificates() : undefined;
  const program = runProgram(command!, [...args, PROGRAM]);
  const order = (given: EmbeddedOrder) => program.ask<null>(given);
  try {
    const { bootstrapServers, listeners } = await program.ask<EmbeddedStarted>(
      {
        options: brokerOptions(options, certificates),
        ...(options.port !== undefined && { port: options.port }),
      } satisfies EmbeddedStart,
    );
    return {
      bootstrapServers,
      brokers: bootstrapServers.split(",").map((bootstrapServer, index, { length }) =>
        testBroker(index + 1, bootstrapServer, program, order, length === 1)
      ),
      tls: certificates && {
        bootstrapServers: listeners["tls"]!,
        ca: certificates.ca,
        clientCert: certificates.clientCert,
        clientKey: certificates.clientKey,
      },
      sasl: options.sasl
        ? { bootstrapServers: listeners["sasl"]!, ...SASL_USER, mechanisms: [...MECHANISMS] }
        : undefined,
      pid: program.pid,
      stop: program.end,
      [Symbol.asyncDispose]: program.end,
    };
  } catch (error) {
    await program.end();
    throw error;
  }
}

/** As `serverProperties` sets up Apache Kafka. */
function brokerOptions(
  options: KafkaClusterOptions,
  certificates: Certificates | undefined,
): KafkaBrokerOptions {
  const listeners: KafkaBrokerOptions["listeners"] = {};
  if (certificates) {
    const { serverCert: cert, serverKey: key, ca } = certificates;
    listeners["tls"] = { tls: { cert, key, ca } };
  }
  if (options.sasl) {
    const { username, password } = SASL_USER;
    listeners["sasl"] = { sasl: { users: { [username]: password }, mechanisms: [...MECHANISMS] } };
  }
  return {
    nodes: options.brokers ?? 1,
    listeners,
    autoCreateTopics: false,
    minSessionTimeoutMs: 500,
    // What the tests do to it is nothing to print; a failure of its own is.
    logLevel: "error",
    ...translate(options.config ?? {}),
  };
}

const SETTINGS: Record<string, (value: string) => KafkaBrokerOptions> = {
  "auto.create.topics.enable": (value) => ({ autoCreateTopics: value === "true" }),
  "group.initial.rebalance.delay.ms": (value) => ({ initialRebalanceDelayMs: Number(value) }),
  "group.max.session.timeout.ms": (value) => ({ maxSessionTimeoutMs: Number(value) }),
  "group.min.session.timeout.ms": (value) => ({ minSessionTimeoutMs: Number(value) }),
  "num.partitions": (value) => ({ defaultPartitions: Number(value) }),
  "socket.request.max.bytes": (value) => ({ maxRequestBytes: Number(value) }),
};

/** Says lines of `server.properties` in the broker's own words. */
function translate(config: Record<string, string>): KafkaBrokerOptions {
  return Object.assign(
    {},
    ...Object.entries(config).map(([key, value]) => {
      const setting = SETTINGS[key];
      if (setting === undefined) {
        throw new Error(`Cannot set "${key}": the embedded broker has no such setting`);
      }
      return setting(value);
    }),
  );
}

async function temporaryCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), "kafka-threads-certificates-"));
  return await makeCertificates(folder).finally(() => rm(folder, { recursive: true }));
}

function testBroker(
  nodeId: number,
  bootstrapServer: string,
  program: Program,
  order: (given: EmbeddedOrder) => Promise<unknown>,
  alone: boolean,
): KafkaTestBroker {
  let isUp = true;
  const end = async () => {
    if (!isUp) return;
    await order({ take: "down", nodeId });
    isUp = false;
  };
  return {
    nodeId,
    bootstrapServer,
    get isUp() {
      return isUp;
    },
    // Either way its connections are cut, and what it has in memory stays there.
    kill: end,
    stop: end,
    async start() {
      if (isUp) throw new Error(`Cannot start broker ${nodeId}: it is running`);
      await order({ take: "up", nodeId });
      isUp = true;
    },
    pause() {
      if (!alone) throw new Error("Cannot pause one broker of several: they share a process");
      program.pause();
    },
    resume: () => program.resume(),
  };
}

/** The process that {@linkcode PROGRAM} runs in. */
interface Program {
  pid: number;
  /** Sends a line and waits for the answer; one at a time. */
  ask<T>(line: EmbeddedStart | EmbeddedOrder): Promise<T>;
  pause(): void;
  resume(): void;
  /** Kills it: it has nothing to keep. */
  end(): Promise<void>;
}

function runProgram(command: string, args: string[]): Program {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  // It may be gone already when it is told to do something.
  child.stdin.on("error", () => {});
  child.unref();
  for (const stream of [child.stdin, child.stdout]) {
    (stream as unknown as { unref?: () => void }).unref?.();
  }
  let over: Error | undefined;
  let answered: PromiseWithResolvers<EmbeddedAnswer<unknown>> | undefined;
  let last = Promise.resolve<unknown>(undefined);
  const exited = new Promise<void>((resolve) => {
    const end = (error: Error) => {
      over ??= error;
      answered?.reject(over);
      resolve();
    };
    child.once("error", (cause) => end(new Error(`Cannot run "${command}"`, { cause })));
    child.once(
      "exit",
      (code, signal) =>
        end(new Error(`The process of the embedded broker ended: ${signal ?? code}`)),
    );
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    answered?.resolve(JSON.parse(line));
  });

  const exchange = async <T>(line: EmbeddedStart | EmbeddedOrder): Promise<T> => {
    if (over !== undefined) throw over;
    answered = Promise.withResolvers();
    child.stdin.write(`${JSON.stringify(line)}\n`);
    const answer = await whileHeld(answered.promise) as EmbeddedAnswer<T>;
    if ("error" in answer) throw new Error(answer.error);
    return answer.ok;
  };
  let guard: ReturnType<typeof spawn> | undefined;
  const resume = () => {
    if (guard === undefined) return;
    process.kill(child.pid!, "SIGCONT");
    guard.stdin!.end("resumed\n");
    guard = undefined;
  };
  return {
    pid: child.pid ?? 0,
    ask<T>(line: EmbeddedStart | EmbeddedOrder): Promise<T> {
      const turn = last.then(() => exchange<T>(line));
      last = turn.catch(() => {});
      return turn;
    },
    pause() {
      if (guard !== undefined) return;
      process.kill(child.pid!, "SIGSTOP");
      untilItStandsStill(child.pid!);
      // A process that stands still does not see that this one is gone.
      guard = spawn("sh", ["-c", 'read -r line || kill -KILL "$1"', "guard", `${child.pid}`], {
        stdio: ["pipe", "ignore", "inherit"],
      });
      guard.stdin!.on("error", () => {});
      guard.unref();
      (guard.stdin as unknown as { unref?: () => void }).unref?.();
    },
    resume,
    async end() {
      resume();
      if (over === undefined) child.kill("SIGKILL");
      await whileHeld(exited);
    },
  };
}
