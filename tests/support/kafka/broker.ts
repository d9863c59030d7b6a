import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { waitForAnswer } from "./answer.ts";
import type { KafkaTestBroker } from "./cluster.ts";
import { javaCommand } from "./java.ts";
import { type GuardedProcess, spawnGuarded, whileHeld } from "./guard.ts";
import type { BrokerPorts } from "./properties.ts";
import { untilItStandsStill } from "./stands_still.ts";

const ANSWER_TIMEOUT_MS = 60_000;
const EXIT_TIMEOUT_MS = 30_000;

/** A broker of Apache Kafka: a Java process. */
export interface ApacheBroker extends KafkaTestBroker {
  /** Its process; undefined while it is down. */
  readonly pid: number | undefined;
}

/** What {@linkcode createBroker} takes. */
export interface BrokerOptions {
  nodeId: number;
  clusterId: string;
  /** The ports of all brokers of the cluster. */
  ports: BrokerPorts[];
  /** The folder of the cluster, removed when this process dies. */
  clusterFolder: string;
  /** The folder of this broker, with its `server.properties`. */
  folder: string;
  classPath: string;
  heapMb: number;
  /** Further options for Java. */
  javaOptions: string[];
}

/** A broker as its cluster sees it. */
export interface OwnedBroker extends ApacheBroker {
  /** Runs `kafka-storage format` with these further arguments. */
  format(args: string[]): Promise<void>;
  /** Starts the process without waiting for an answer. */
  launch(): Promise<void>;
  /** Waits, at most 60 s, until it answers and knows these brokers. */
  knows(nodeIds: number[]): Promise<void>;
  /** Lets the guards go; only when the folder has been removed. */
  release(): void;
}

/**
 * Makes a broker that is not yet running.
 *
 * @param options Its number, ports and folders.
 * @returns The broker.
 */
export function createBroker(options: BrokerOptions): OwnedBroker {
  const { nodeId, clusterId, clusterFolder, folder } = options;
  const bootstrapServer = `127.0.0.1:${options.ports[nodeId - 1]!.plaintext}`;
  const propertiesFile = join(folder, "server.properties");
  const log = join(folder, "broker.log");
  const guarded: GuardedProcess[] = [];
  let current: GuardedProcess | undefined;

  const java = async (jvm: string[], main: string[]): Promise<GuardedProcess> => {
    const command = [
      javaCommand(),
      "-XX:+UseSerialGC",
      "-XX:-UsePerfData",
      "-Djava.awt.headless=true",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-Dorg.slf4j.simpleLogger.showDateTime=true",
      "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
      ...jvm,
      "-cp",
      options.classPath,
      ...main,
    ];
    const started = await spawnGuarded(command, { folder: clusterFolder, log });
    guarded.push(started);
    return started;
  };

  const end = async (signal: "SIGKILL" | "SIGTERM"): Promise<void> => {
    const ending = current;
    if (ending === undefined || ending.status !== undefined) return;
    ending.signal(signal);
    // The timer also keeps this process alive meanwhile, which the guard does not.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`Broker ${nodeId} (pid ${ending.pid}) did not end after ${signal}`));
      }, EXIT_TIMEOUT_MS);
    });
    try {
      await Promise.race([ending.exited, tooLong]);
    } finally {
      clearTimeout(timer);
    }
  };

  const isUp = (): boolean => current !== undefined && current.status === undefined;

  const launch = async (): Promise<void> => {
    if (isUp()) throw new Error(`Cannot start broker ${nodeId}: it is running`);
    const heap = [`-Xms${options.heapMb}m`, `-Xmx${options.heapMb}m`];
    current = await java([...heap, ...options.javaOptions], ["kafka.Kafka", propertiesFile]);
  };

  const knows = async (nodeIds: number[]): Promise<void> => {
    const abort = new AbortController();
    const watched = current;
    void watched?.exited.then((status) =>
      abort.abort(new Error(`Broker ${nodeId} ended with status ${status} before it answered`))
    );
    try {
      await waitForAnswer(bootstrapServer, {
        clusterId,
        nodeIds,
        timeoutMs: ANSWER_TIMEOUT_MS,
        signal: abort.signal,
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await tail(log)}`, { cause: error });
    }
  };

  return {
    nodeId,
    bootstrapServer,
    get isUp() {
      return isUp();
    },
    get pid() {
      return isUp() ? current!.pid : undefined;
    },
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    async start() {
      await launch();
      // It is back in the cluster when it knows itself, whoever else is down.
      await knows([nodeId]);
    },
    pause: () => {
      if (!isUp()) return;
      current!.signal("SIGSTOP");
      untilItStandsStill(current!.pid);
    },
    resume: () => current?.signal("SIGCONT"),
    async format(args) {
      const tool = await java(["-XX:TieredStopAtLevel=1"], [
        ...["kafka.tools.StorageTool", "format", "-c", propertiesFile],
        // With "=", since an id may begin with a dash.
        `--cluster-id=${clusterId}`,
        ...args,
      ]);
      const status = await whileHeld(tool.exited);
      if (status !== 0) {
        throw new Error(`Cannot format the storage of broker ${nodeId}\n${await tail(log)}`);
      }
    },
    launch,
    knows,
    release() {
      for (const process of guarded) process.release();
    },
  };
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-40).join("\n");
}
