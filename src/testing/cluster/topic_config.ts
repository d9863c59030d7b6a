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
  readonly value: string;
  readonly type: number;
  /** What is allowed; undefined: `allowed` says. */
  readonly test: (value: string) => boolean;
}

const BOOLEAN = 1;
const STRING = 2;
const INT = 3;
const LONG = 5;
const LIST = 7;

const whole = (least: number) => (value: string): boolean =>
  /^-?\d+$/.test(value) && Number(value) >= least;
const oneOf = (...values: string[]) => (value: string): boolean => values.includes(value);

/**
 * The settings that mean something here, with Apache Kafka's defaults; "retention.*" are kept and told
 * but never acted upon, as nothing is ever deleted by age or size.
 */
const KNOWN: Readonly<Record<string, Known>> = {
  "cleanup.policy": {
    value: "delete",
    type: LIST,
    test: oneOf("delete", "compact", "compact,delete", "delete,compact"),
  },
  "compression.type": { value: "producer", type: STRING, test: oneOf("producer") },
  "max.message.bytes": { value: "1048588", type: INT, test: whole(0) },
  "message.timestamp.type": {
    value: "CreateTime",
    type: STRING,
    test: oneOf("CreateTime", "LogAppendTime"),
  },
  "min.insync.replicas": { value: "1", type: INT, test: whole(1) },
  "retention.bytes": { value: "-1", type: LONG, test: whole(-1) },
  "retention.ms": { value: "604800000", type: LONG, test: whole(-1) },
  "delete.retention.ms": { value: "86400000", type: LONG, test: whole(0) },
  "segment.bytes": { value: "1073741824", type: INT, test: whole(1024) },
  "segment.ms": { value: "604800000", type: LONG, test: whole(1) },
  "min.cleanable.dirty.ratio": {
    value: "0.5",
    type: 6,
    test: (value) => Number(value) >= 0 && Number(value) <= 1,
  },
  "unclean.leader.election.enable": {
    value: "false",
    type: BOOLEAN,
    test: oneOf("true", "false"),
  },
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
