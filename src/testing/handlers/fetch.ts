import type { Buffer } from "node:buffer";
import { ERROR } from "../protocol/error_codes.ts";
import { fetch as api, type FetchRequest } from "../protocol/messages/fetch.ts";
import { type Handler, handler, type RequestContext } from "./handler.ts";
import { findTopic } from "./topics.ts";

type AskedTopic = FetchRequest["topics"][number];
type AskedPartition = AskedTopic["partitions"][number];

/** From this version on topics go by their ids (KIP-516). */
const FIRST_WITH_IDS = 13;
/** The session id of an answer to which no session belongs (KIP-227). */
const NO_SESSION = 0;

/**
 * API 1: reads whole record batches, waiting for data if there is too little.
 *
 * Sessions (KIP-227) are declined as that KIP provides: the session id of the answer is 0, and the
 * client sends whole requests from then on.
 */
export const fetch: Handler = handler(api, async (request, context) => {
  // Epoch 0 begins a session and -1 ends one: both are whole requests.
  if (request.sessionEpoch > 0) {
    return { errorCode: ERROR.FETCH_SESSION_ID_NOT_FOUND, sessionId: NO_SESSION, responses: [] };
  }
  const deadline = context.state.now() + request.maxWaitMs;
  let answer = readAll(request, context);
  while (!answer.atOnce && answer.bytes < request.minBytes && !context.gone.aborted) {
    const leftMs = deadline - context.state.now();
    if (leftMs <= 0) break;
    await changeOrTimeout(request, context, leftMs);
    answer = readAll(request, context);
  }
  return { errorCode: ERROR.NONE, sessionId: NO_SESSION, responses: answer.responses };
});

function readAll(request: FetchRequest, context: RequestContext) {
  let bytes = 0;
  // An error is told at once, and so is that nothing is asked for.
  let atOnce = request.topics.every(({ partitions }) => partitions.length === 0);
  const responses = request.topics.map((topic) => {
    const partitions = topic.partitions.map((asked) => {
      const left = request.maxBytes - bytes;
      const answer = read(topic, asked, left, bytes === 0, context);
      bytes += answer.records.reduce((sum, { length }) => sum + length, 0);
      if (answer.errorCode !== ERROR.NONE) atOnce = true;
      return answer;
    });
    return { topic: topic.topic, topicId: topic.topicId, partitions };
  });
  return { responses, bytes, atOnce };
}

/** The partition that is asked for, or why it cannot be read here. */
function find(asked: AskedTopic, { partition }: AskedPartition, context: RequestContext) {
  const { state, version } = context;
  const byId = version >= FIRST_WITH_IDS;
  const topic = findTopic(state, { name: asked.topic, topicId: asked.topicId }, byId);
  if (typeof topic === "number") return topic;
  return topic.partitions[partition] ?? ERROR.UNKNOWN_TOPIC_OR_PARTITION;
}

function read(
  topic: AskedTopic,
  asked: AskedPartition,
  leftBytes: number,
  first: boolean,
  context: RequestContext,
) {
  const answer = (errorCode: number, records: readonly Buffer[] = [], start = -1, end = -1) => ({
    partitionIndex: asked.partition,
    errorCode,
    highWatermark: end,
    // There are no transactions, so that nothing that is there is not stable.
    lastStableOffset: end,
    logStartOffset: start,
    abortedTransactions: null,
    records,
  });
  const partition = find(topic, asked, context);
  if (typeof partition === "number") return answer(partition);
  const fault = partition.check(context.nodeId, asked.currentLeaderEpoch);
  if (fault !== ERROR.NONE) return answer(fault);
  const { log } = partition;
  const { errorCode, pieces } = log.read(
    asked.fetchOffset,
    Math.min(leftBytes, asked.partitionMaxBytes),
    // KIP-74: the first batch of a response comes whole, however large, so that clients get on.
    { atLeastOne: first },
  );
  if (errorCode !== ERROR.NONE) return answer(errorCode);
  return answer(errorCode, pieces, log.startOffset, log.endOffset);
}

/** Waits until a partition of the request has changed, the time is over, or the client has gone. */
async function changeOrTimeout(
  request: FetchRequest,
  context: RequestContext,
  leftMs: number,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const undo: (() => void)[] = [];
  for (const topic of request.topics) {
    for (const asked of topic.partitions) {
      const partition = find(topic, asked, context);
      if (typeof partition !== "number") undo.push(partition.onChange(resolve));
    }
  }
  const timer = setTimeout(resolve, leftMs);
  const leave = () => resolve();
  context.gone.addEventListener("abort", leave, { once: true });
  await promise;
  clearTimeout(timer);
  context.gone.removeEventListener("abort", leave);
  for (const stop of undo) stop();
}
