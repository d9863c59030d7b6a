/**
 * Schema and rules of `onError`.
 *
 * @module
 */
import * as v from "valibot";
import {
  deadLetterTopicOf,
  type ResolvedBackoffOptions,
  type ResolvedErrorPolicy,
} from "./consumer_options.ts";
import { isTopicName } from "./kafka_names.ts";
import { HOUR_MS, initialBelowMax, MS } from "./shared_options.ts";
import {
  checked,
  integer,
  maybe,
  oneOf,
  type OptionSchema,
  optionsObject,
  type Rule,
  withDefault,
} from "./validate.ts";

/** Where dead letters go if nothing else is said. */
export const DEFAULT_DEAD_LETTER_TOPIC = "{topic}.dead-letter";

/** {@link ResolvedErrorPolicy} before it is known whether a topic is needed. */
export type GivenErrorPolicy = Omit<ResolvedErrorPolicy, "deadLetterTopic"> & {
  readonly deadLetterTopic: string | undefined;
};

const retries: OptionSchema<number | null> = v.nullable(
  integer(0, 1_000_000, "attempts after the first", ", or null: no limit"),
);

const backoff: OptionSchema<ResolvedBackoffOptions> = optionsObject<ResolvedBackoffOptions>({
  initialMs: withDefault(integer(0, HOUR_MS, MS), () => 1_000),
  maxMs: withDefault(integer(0, HOUR_MS, MS), () => 60_000),
  factor: withDefault(
    checked<number>(
      (value) => typeof value === "number" && value >= 1 && value <= 100,
      "a number from 1 to 100",
    ),
    () => 2,
  ),
}, {
  expected: "an object { initialMs, maxMs, factor }",
  rules: [initialBelowMax],
  aliases: {
    delay: "initialMs",
    delayms: "initialMs",
    initialretrytime: "initialMs",
    maxretrytime: "maxMs",
    maxdelay: "maxMs",
    multiplier: "factor",
  },
});

const deadLetterTopic: OptionSchema<string> = checked(
  (value) => typeof value === "string" && isTopicName(deadLetterTopicOf(value, "t")),
  "a topic name of 1 to 249 letters, digits, dots, underscores and hyphens, in which {topic} stands " +
    "for the topic of the message",
);

/** The schema of `onError`. */
export const onError: OptionSchema<GivenErrorPolicy> = withDefault(
  optionsObject<GivenErrorPolicy>({
    retries: withDefault(retries, () => 0),
    backoff: withDefault(backoff, () => ({})),
    then: withDefault(oneOf(["stop", "skip", "dead-letter"]), () => "stop"),
    deadLetterTopic: maybe(deadLetterTopic),
  }, {
    expected: "an object { retries, backoff, then, deadLetterTopic }",
    aliases: {
      maxretries: "retries",
      attempts: "retries",
      maxattempts: "retries",
      topic: "deadLetterTopic",
      dlq: "deadLetterTopic",
      dlqtopic: "deadLetterTopic",
      policy: "then",
      action: "then",
      initialms: "backoff.initialMs",
      maxms: "backoff.maxMs",
      factor: "backoff.factor",
    },
  }),
  () => ({}),
);

/** The schema of `onInvalid`. */
export const onInvalid: OptionSchema<"skip" | "stop" | "dead-letter"> = withDefault(
  oneOf(["skip", "stop", "dead-letter"]),
  () => "skip",
);

/** What the rules about dead letters read. */
export interface DeadLetterSettings {
  /** The topics that are consumed. */
  readonly topics: readonly string[];
  /** What happens to a message whose handler has failed. */
  readonly onError: GivenErrorPolicy;
  /** What happens to a message that cannot be decoded, or that the schema refuses. */
  readonly onInvalid: "skip" | "stop" | "dead-letter";
}

/** The rules about dead letters. */
export const deadLetterRules: readonly Rule<DeadLetterSettings>[] = [
  {
    // Somebody who names the topic means it to be used.
    reads: ["onError", "onInvalid"],
    holds: (options) => options.onError.deadLetterTopic === undefined || hasDeadLetters(options),
    blame: ["onError", "deadLetterTopic"],
    expected: () =>
      'left out, because neither onError.then nor onInvalid is "dead-letter", so nothing is sent to it',
  },
  {
    reads: ["topics", "onError", "onInvalid"],
    holds: (options) => problemOf(options) === undefined,
    blame: ["onError", "deadLetterTopic"],
    expected: (options) => problemOf(options) ?? "",
  },
];

function hasDeadLetters({ onError, onInvalid }: DeadLetterSettings): boolean {
  return onError.then === "dead-letter" || onInvalid === "dead-letter";
}

function problemOf(options: DeadLetterSettings): string | undefined {
  if (!hasDeadLetters(options)) return undefined;
  const template = options.onError.deadLetterTopic ?? DEFAULT_DEAD_LETTER_TOPIC;
  for (const topic of options.topics) {
    const name = deadLetterTopicOf(template, topic);
    // Dead letters that are consumed again would go round and round.
    if (options.topics.includes(name)) {
      return `a topic that is not consumed here, unlike "${name}", where "${template}" sends the ` +
        `dead letters of "${topic}"`;
    }
    if (!isTopicName(name)) {
      return `what makes a topic name of at most 249 characters, unlike "${template}" for "${topic}"`;
    }
  }
  return undefined;
}
