import { type Topic, TopicError } from "../cluster/cluster.ts";
import { ZERO_UUID } from "../protocol/codec.ts";
import { ERROR } from "../protocol/error_codes.ts";
import type { BrokerState } from "./handler.ts";

/**
 * Finds a topic, and makes it where that is wanted.
 *
 * @param state The broker.
 * @param name The topic.
 * @param wanted Whether the client wants it made, too.
 * @returns The topic, or why there is none.
 */
export function autoCreate(state: BrokerState, name: string, wanted = true): Topic | number {
  const topic = state.cluster.topic(name);
  if (topic !== undefined) return topic;
  if (!wanted || !state.autoCreateTopics) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
  try {
    return state.cluster.createTopic(name);
  } catch (error) {
    if (error instanceof TopicError) return ERROR[error.code];
    throw error;
  }
}

/**
 * Finds a topic by what a request has of it: older versions its name, newer ones its id (KIP-516).
 *
 * @param state The broker.
 * @param asked Both, of which one is empty.
 * @param byId Whether the request's version has the id.
 * @returns The topic, or why there is none.
 */
export function findTopic(
  { cluster }: BrokerState,
  { name, topicId }: { name: string; topicId: string },
  byId: boolean,
): Topic | number {
  if (!byId) return cluster.topic(name) ?? ERROR.UNKNOWN_TOPIC_OR_PARTITION;
  const topic = topicId === ZERO_UUID ? undefined : cluster.topicById(topicId);
  return topic ?? ERROR.UNKNOWN_TOPIC_ID;
}

/**
 * Runs something about topics.
 *
 * @param work May throw a {@linkcode TopicError}.
 * @returns Its code and message, or those of no error.
 */
export function attempt(work: () => void): { errorCode: number; errorMessage: string | null } {
  try {
    work();
    return { errorCode: ERROR.NONE, errorMessage: null };
  } catch (error) {
    if (!(error instanceof TopicError)) throw error;
    return { errorCode: ERROR[error.code], errorMessage: error.message };
  }
}
