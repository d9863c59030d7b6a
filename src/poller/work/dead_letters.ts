/** Stores messages that cannot be handled in a topic of their own. */

import type { MessageHeader, ProducedRecord } from "../../driver.ts";
import { DeadLetterError } from "../../errors.ts";
import { deadLetterTopicOf } from "../../options/consumer_options.ts";
import { errorText } from "../../threads/error_text.ts";
import { decodeError } from "../../threads/error_wire.ts";
import { headersAt, keyAt, valueAt } from "../../threads/records.ts";
import type { Failure } from "../../threads/work.ts";
import type { Task } from "./task.ts";

/** Most characters of an error's message that go into a header. */
const MAX_ERROR_TEXT = 1_000;

/** A message that is to be stored. */
export interface DeadLetter {
  readonly task: Task;
  readonly failure: Failure;
}

/** What dead letters are made with. */
export interface DeadLettersOptions {
  /** Name of the group that could not handle them. */
  readonly groupId: string;
  /** Name of the topic for them; `{topic}` stands for the message's own. */
  readonly topic: string;
  /** Appends records; resolves when they are acknowledged. */
  readonly produce: (records: readonly ProducedRecord[]) => Promise<void>;
  /** These are stored. */
  readonly stored: (letters: readonly DeadLetter[]) => void;
  /** Storing has failed for good: the consumer cannot go on. */
  readonly failed: (error: DeadLetterError) => void;
  /** These are not stored, and will not be. */
  readonly dropped: (letters: readonly DeadLetter[]) => void;
}

/**
 * Sends dead letters, one request at a time; those that come meanwhile go together in the next one. The
 * driver tries again within one request; a request that fails for good ends it all, as neither skipping
 * the message nor trying for ever would be right.
 */
export class DeadLetters {
  readonly #options: DeadLettersOptions;
  #waiting: DeadLetter[] = [];
  #running = false;
  #broken = false;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** Has a message stored. */
  add(letter: DeadLetter): void {
    if (this.#broken) return this.#options.dropped([letter]);
    this.#waiting.push(letter);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Those that have failed in the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const letters = this.#waiting;
      this.#waiting = [];
      try {
        await this.#options.produce(letters.map((letter) => this.#recordOf(letter)));
      } catch (cause) {
        const { topic, partition } = letters[0]!.task.partition;
        const { offset } = letters[0]!.task;
        this.#broken = true;
        this.#options.failed(
          new DeadLetterError(
            `Cannot store the dead letter of "${topic}" partition ${partition} offset ${offset} in "${
              this.#topicOf(letters[0]!)
            }": ${errorText(cause)}`,
            { cause, topic, partition, offset },
          ),
        );
        return this.#options.dropped([...letters, ...this.#waiting.splice(0)]);
      }
      this.#options.stored(letters);
    }
    this.#running = false;
  }

  #topicOf({ task }: DeadLetter): string {
    return deadLetterTopicOf(this.#options.topic, task.partition.topic);
  }

  #recordOf(letter: DeadLetter): ProducedRecord {
    const { task, failure } = letter;
    const table = task.table!;
    return {
      topic: this.#topicOf(letter),
      key: keyAt(table, task.index),
      value: valueAt(table, task.index),
      headers: [...originalHeaders(task), ...this.#headersOf(task, failure)],
      // Not with its own time, which is in a header: by that one it might be too old to be kept.
    };
  }

  #headersOf(
    { partition, offset, table, index, attempt }: Task,
    failure: Failure,
  ): MessageHeader[] {
    const error = decodeError(failure.error);
    // What the handler threw says more than that it threw.
    const cause = error.cause instanceof Error ? error.cause : error;
    return Object.entries({
      "dead-letter-topic": partition.topic,
      "dead-letter-partition": `${partition.partition}`,
      "dead-letter-offset": `${offset}`,
      "dead-letter-timestamp": `${table!.timestamps[index]}`,
      "dead-letter-group": this.#options.groupId,
      "dead-letter-attempts": `${attempt}`,
      "dead-letter-reason": failure.kind,
      "dead-letter-error-name": cause.name,
      "dead-letter-error-message": cause.message.slice(0, MAX_ERROR_TEXT),
    }).map(([key, value]) => ({ key, value: new TextEncoder().encode(value) }));
  }
}

/** A message whose headers cannot be read is stored without them: it may be why it is a dead letter. */
function originalHeaders({ table, index }: Task): MessageHeader[] {
  try {
    return headersAt(table!, index);
  } catch {
    return [];
  }
}
