/** A setting of a topic as DescribeConfigs tells it. */
export interface TopicSetting {
  readonly name: string;
  readonly value: string;
  readonly isDefault: boolean;
  /** Kafka's numbers: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class. */
  readonly type: number;
}

/** Where a setting comes from, in the numbers of DescribeConfigs. */
export const SETTING_SOURCE = { TOPIC: 1, DEFAULT: 5 } as const;

interface Known {
  /** The default. */
  readonly value: string;
  readonly type: number;
  /** What is allowed. */
  readonly test: (value: string) => boolean;
}

const BOOLEAN = 1;
const STRING = 2;
const INT = 3;
const LONG = 5;
const DOUBLE = 6;
const LIST = 7;

const whole = (least: number) => (value: string): boolean =>
  /^-?\d+$/.test(value) && Number(value) >= least;
const oneOf = (...values: string[]) => (value: string): boolean => values.includes(value);

const between = (least: number, most: number) => (value: string): boolean =>
  whole(least)(value) && Number(value) <= most;
const boolean = (value: string): boolean => /^(true|false)$/i.test(value);
const MAX_LONG = "9223372036854775807";

/**
 * Apache Kafka's settings of topics, with its defaults. What they are about is done for
 * "cleanup.policy", "max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.type" and
 * "min.insync.replicas". The others are kept and told but change nothing: nothing is on a disk or
 * compressed anew, and nothing is deleted by age or size or compacted by itself.
 */
const KNOWN: Readonly<Record<string, Known>> = {
  "cleanup.policy": {
    value: "delete",
    type: LIST,
    test: (value) => value.split(",").every((policy) => /^\s*(delete|compact|)\s*$/.test(policy)),
  },
  "compression.gzip.level": { value: "-1", type: INT, test: (value) => /^(-1|[1-9])$/.test(value) },
  "compression.lz4.level": { value: "9", type: INT, test: between(1, 17) },
  "compression.type": {
    value: "producer",
    type: STRING,
    test: oneOf("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"),
  },
  "compression.zstd.level": { value: "3", type: INT, test: between(-131_072, 22) },
  "delete.retention.ms": { value: "86400000", type: LONG, test: whole(0) },
  "file.delete.delay.ms": { value: "60000", type: LONG, test: whole(0) },
  "flush.messages": { value: MAX_LONG, type: LONG, test: whole(1) },
  "flush.ms": { value: MAX_LONG, type: LONG, test: whole(0) },
  "index.interval.bytes": { value: "4096", type: INT, test: whole(0) },
  "max.compaction.lag.ms": { value: MAX_LONG, type: LONG, test: whole(1) },
  "max.message.bytes": { value: "1048588", type: INT, test: whole(0) },
  "message.timestamp.after.max.ms": { value: "3600000", type: LONG, test: whole(0) },
  "message.timestamp.before.max.ms": { value: MAX_LONG, type: LONG, test: whole(0) },
  "message.timestamp.type": {
    value: "CreateTime",
    type: STRING,
    test: oneOf("CreateTime", "LogAppendTime"),
  },
  "min.cleanable.dirty.ratio": {
    value: "0.5",
    type: DOUBLE,
    test: (value) => value !== "" && Number(value) >= 0 && Number(value) <= 1,
  },
  "min.compaction.lag.ms": { value: "0", type: LONG, test: whole(0) },
  "min.insync.replicas": { value: "1", type: INT, test: whole(1) },
  preallocate: { value: "false", type: BOOLEAN, test: boolean },
  "retention.bytes": { value: "-1", type: LONG, test: whole(-1) },
  "retention.ms": { value: "604800000", type: LONG, test: whole(-1) },
  "segment.bytes": { value: "1073741824", type: INT, test: whole(1024 * 1024) },
  "segment.index.bytes": { value: "10485760", type: INT, test: whole(4) },
  "segment.jitter.ms": { value: "0", type: LONG, test: whole(0) },
  "segment.ms": { value: "604800000", type: LONG, test: whole(1) },
  "unclean.leader.election.enable": { value: "false", type: BOOLEAN, test: boolean },
};

/** The settings of one topic. */
export class TopicConfig {
  readonly #given: ReadonlyMap<string, string>;

  constructor(given: Readonly<Record<string, string>> = {}) {
    this.#given = new Map(Object.entries(given));
  }

  /** The largest record batch that the topic takes, in bytes. */
  get maxMessageBytes(): number {
    return Number(this.#value("max.message.bytes"));
  }

  /** How far ahead of the broker's clock a record's time may be, in milliseconds. */
  get maxFutureMs(): number {
    return Number(this.#value("message.timestamp.after.max.ms"));
  }

  /** How many replicas have to be up for who wants the acknowledgement of all. */
  get minInsyncReplicas(): number {
    return Number(this.#value("min.insync.replicas"));
  }

  /** Whether keys are needed, because compaction goes by them. */
  get compacted(): boolean {
    return this.#value("cleanup.policy").includes("compact");
  }

  /** Whether records get the time at which they are appended, not that of their producer. */
  get logAppendTime(): boolean {
    return this.#value("message.timestamp.type") === "LogAppendTime";
  }

  /** All settings, the given ones and the defaults. */
  settings(): TopicSetting[] {
    return Object.entries(KNOWN).map(([name, { type }]) => ({
      name,
      value: this.#value(name),
      isDefault: !this.#given.has(name),
      type,
    }));
  }

  #value(name: string): string {
    return this.#given.get(name) ?? KNOWN[name]!.value;
  }
}

/**
 * What is wrong with a setting of a topic.
 *
 * @param name Its name.
 * @param value Its value; null takes the default.
 * @returns The reason, or null where nothing is wrong.
 */
export function topicSettingFault(name: string, value: string | null): string | null {
  const known = Object.hasOwn(KNOWN, name) ? KNOWN[name] : undefined;
  if (known === undefined) {
    return `Unknown topic config name: ${name} (known here: ${Object.keys(KNOWN).join(", ")})`;
  }
  if (value === null || known.test(value)) return null;
  return `Invalid value ${value} for configuration ${name}`;
}
