import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type {
  Access,
  Codec,
  ConformanceClient,
  Feature,
  JoinOptions,
  Read,
  ReadOptions,
  ToWrite,
  WriteOptions,
} from "../client.ts";
import { nameOfCode, ReportedError } from "../errors.ts";
import { endWithUs } from "./children.ts";
import { MemberState } from "./member_state.ts";

/** What kcat says of an error that is Kafka's; it tells no codes. */
const ERRORS: Record<string, number> = {
  "Broker: Unknown topic or partition": 3,
  "Local: Unknown topic": 3,
  "Broker: Message size too large": 10,
  "Broker: Invalid topic": 17,
  "Broker: Broker failed to validate record": 87,
};
/** Not in any text of the tests. */
const KEY_DELIMITER = "\x1f";
const PATIENCE_MS = 30_000;

/** kcat, one process for each command. */
export class KcatClient implements ConformanceClient {
  static readonly codecs: readonly Codec[] = ["none", "gzip", "snappy", "lz4", "zstd"];
  static readonly features: readonly Feature[] = ["read limit"];
  readonly #access: Access;

  /** @param access The broker. */
  constructor(access: Access) {
    this.#access = access;
  }

  async logIn(): Promise<void> {
    await this.#metadata([]);
  }

  async describeTopic(topic: string): Promise<number[]> {
    const { topics } = await this.#metadata(["-t", topic]);
    const { error, partitions } = topics[0]!;
    if (error !== undefined) throw kcatError(error);
    return partitions.toSorted((a, b) => a.partition - b.partition).map(({ leader }) => leader);
  }

  async listTopics(): Promise<string[]> {
    const { topics } = await this.#metadata([]);
    return topics.map(({ topic }) => topic);
  }

  async write(
    topic: string,
    records: readonly ToWrite[],
    options: WriteOptions = {},
  ): Promise<undefined> {
    // Headers, and whether an empty text is none, are said once for all the records of a run.
    for (const run of runs(records)) {
      const { key, value, headers = [] } = run[0]!;
      const { output, code } = await this.#run(
        [
          ...["-P", "-t", topic, "-p", `${options.partition ?? 0}`, "-D", "\\n"],
          ...["-X", `acks=${options.acks ?? -1}`, "-z", options.codec ?? "none"],
          ...["-X", `enable.idempotence=${options.idempotent ?? false}`],
          ...["-X", "topic.metadata.propagation.max.ms=0", "-X", "linger.ms=0"],
          ...["-X", "message.max.bytes=10000000"],
          ...(typeof key === "string" ? ["-K", KEY_DELIMITER] : []),
          ...(value === null ? ["-Z"] : []),
          ...headers.flatMap(([name, value]) => ["-H", `${name}=${value}`]),
        ],
        run.map(({ key, value }) =>
          `${typeof key === "string" ? `${key}${KEY_DELIMITER}` : ""}${value ?? ""}\n`
        ).join(""),
      );
      const [, failure] = /(?:Delivery failed for message|Failed to produce message[^:]*): (.*)/
        .exec(output) ?? [];
      if (failure !== undefined) throw kcatError(failure);
      if (code !== 0) throw kcatError(output);
    }
    return undefined;
  }

  async read(topic: string, options: ReadOptions): Promise<Read[]> {
    const { partition = 0, from = 0, count, onRecord } = options;
    const records: Read[] = [];
    const { output, code } = await this.#run(
      [
        ...["-C", "-t", topic, "-p", `${partition}`, "-o", `${from}`, "-c", `${count}`],
        ...["-q", "-u", "-J", "-X", `auto.offset.reset=${options.reset ?? "earliest"}`],
        ...["-X", `fetch.wait.max.ms=${options.maxWaitMs ?? 100}`],
        ...["-X", "fetch.error.backoff.ms=20"],
        ...(options.maxBytes === undefined
          ? []
          : ["-X", `max.partition.fetch.bytes=${options.maxBytes}`]),
      ],
      "",
      (line) => {
        const record = toRead(line);
        records.push(record);
        onRecord?.(record);
      },
    );
    if (code !== 0) throw kcatError(output);
    return records;
  }

  join(options: JoinOptions): KcatMember {
    const { groupId, topics, sessionTimeoutMs = 10_000, commitsAtLeave = false } = options;
    return new KcatMember(this.#spawn([
      ...["-G", groupId, "-u", "-J", "-X", `session.timeout.ms=${sessionTimeoutMs}`],
      ...["-X", "heartbeat.interval.ms=100", "-X", "auto.offset.reset=earliest"],
      ...["-X", `enable.auto.commit=${commitsAtLeave}`, "-X", "fetch.wait.max.ms=100"],
      ...topics,
    ]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #metadata(args: string[]): Promise<{
    topics: {
      topic: string;
      error?: string;
      partitions: { partition: number; leader: number }[];
    }[];
  }> {
    let text = "";
    const { output, code } = await this.#run(["-L", "-J", ...args], "", (line) => text += line);
    if (code !== 0) throw kcatError(output);
    return JSON.parse(text);
  }

  async #run(
    args: string[],
    input: string,
    onLine: (line: string) => void = () => {},
  ): Promise<{ output: string; code: number | null }> {
    const child = this.#spawn(args);
    let output = "";
    child.stderr!.setEncoding("utf8").on("data", (text) => output += text);
    createInterface({ input: child.stdout! }).on("line", onLine);
    child.stdin!.on("error", () => {});
    child.stdin!.end(input);
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    const [code] = await once(child, "close") as [number | null];
    clearTimeout(timer);
    return { output, code };
  }

  #spawn(args: readonly string[]): ChildProcess {
    const { bootstrapServers, sasl, ca } = this.#access;
    const protocol = `${sasl ? "sasl_" : ""}${ca ? "ssl" : "plaintext"}`;
    return endWithUs(spawn("kcat", [
      ...["-b", bootstrapServers, "-X", `security.protocol=${protocol}`],
      ...["-X", "reconnect.backoff.ms=20", "-X", "retry.backoff.ms=20"],
      ...(ca ? ["-X", `ssl.ca.pem=${ca}`] : []),
      ...(sasl
        ? [
          ...["-X", `sasl.mechanism=${sasl.mechanism.toUpperCase()}`],
          ...["-X", `sasl.username=${sasl.username}`, "-X", `sasl.password=${sasl.password}`],
        ]
        : []),
      ...args,
    ]));
  }
}

/** A member of a group in a process of its own. */
export class KcatMember extends MemberState {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(child: ChildProcess) {
    super(async () => {
      child.kill("SIGTERM");
      await this.#closed;
    });
    this.#child = child;
    this.#closed = once(child, "close");
    createInterface({ input: child.stdout! }).on("line", (line) => this.add([toRead(line)]));
    createInterface({ input: child.stderr! }).on("line", (line) => {
      const [, what, list] = /rebalanced .*: (assigned|revoked): ?(.*)$/.exec(line) ?? [];
      if (what === "revoked") this.assign(undefined);
      if (what === "assigned") {
        this.assign(
          [...list!.matchAll(/(\S+) \[(\d+)\]/g)].map(([, topic, at]) => `${topic}-${at}`),
        );
      }
      if (line.startsWith("% ERROR")) this.fail(kcatError(line));
    });
  }

  /** Ends the process without a word to anybody. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }
}

function kcatError(text: string): Error {
  const known = Object.keys(ERRORS).find((message) => text.includes(message));
  return new ReportedError(known === undefined ? "kcat" : nameOfCode(ERRORS[known]!), text.trim());
}

function toRead(line: string): Read {
  const { partition, offset, key, payload, headers = [], ts } = JSON.parse(line);
  return {
    partition,
    offset,
    key,
    value: payload,
    headers: Array.from({ length: headers.length / 2 }, (_, index) => [
      headers[2 * index],
      headers[2 * index + 1],
    ]),
    timestamp: ts,
  };
}

function runs(records: readonly ToWrite[]): ToWrite[][] {
  const shape = ({ key, value, headers }: ToWrite) =>
    JSON.stringify([typeof key, value === null, headers]);
  const runs: ToWrite[][] = [];
  for (const record of records) {
    const last = runs.at(-1);
    if (last !== undefined && shape(last[0]!) === shape(record)) last.push(record);
    else runs.push([record]);
  }
  return runs;
}
