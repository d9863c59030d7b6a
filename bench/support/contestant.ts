import process from "node:process";
import { parseArgs } from "node:util";
import { createRecorder, type Recorder, type Work } from "./recorder.ts";

/** What a contestant is told. */
export interface Assignment {
  /** The broker, `host:port,…`. */
  bootstrapServers: string;
  /** A group that has never committed. */
  groupId: string;
  /** The topic, filled already. */
  topic: string;
  /** What to do with each message. */
  work: Work;
}

/** A consumer under test. */
export interface Contestant {
  /** Begins to consume; resolves when the client says that it does. */
  start(): Promise<void>;
  /** Closes the client. */
  stop(): Promise<void>;
  /** Called when it has started: settles when the consumer has ended, with what killed it, if that. */
  ended?(): Promise<unknown>;
}

/**
 * The main program of every contestant: reads the arguments, consumes the topic once, and prints the
 * figures as one line of JSON.
 *
 * @param create Makes the consumer, which tells the recorder of each message.
 */
export async function compete(
  create: (assignment: Assignment, recorder: Recorder) => Contestant,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      bootstrap: { type: "string" },
      group: { type: "string" },
      topic: { type: "string" },
      messages: { type: "string" },
      work: { type: "string", default: "none" },
    },
  });
  const { bootstrap, group, topic, messages, work } = values;
  if (!bootstrap || !group || !topic || !messages || (work !== "none" && work !== "json")) {
    throw new Error(
      "Usage: --bootstrap HOST:PORT --group NAME --topic NAME --messages N [--work none|json]",
    );
  }
  const recorder = createRecorder({ messages: Number(messages), work });
  const contestant = create({ bootstrapServers: bootstrap, groupId: group, topic, work }, recorder);
  recorder.starting();
  await contestant.start();
  recorder.started();
  await Promise.race([recorder.done, ...contestant.ended ? [contestant.ended()] : []]);
  await contestant.stop();
  process.stdout.write(`${JSON.stringify(await recorder.finish())}\n`);
}
