/**
 * Who gets which partitions: what members tell each other through the group's coordinator.
 *
 * Source: ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json of Apache Kafka,
 * version 0, which all clients read.
 *
 *     Subscription => version int16, [topics] string, user_data bytes
 *     Assignment => version int16, [assigned] => topic string, [partitions] int32, user_data bytes
 */

import { Buffer } from "node:buffer";
import { Reader, Writer } from "@platformatic/kafka";
import type { TopicPartition } from "../../../driver.ts";

/**
 * Names of the one strategy this client has. The second is how kafkajs calls it: members of both
 * clients can share a group, such as while a service changes from one to the other.
 */
export const STRATEGIES: readonly string[] = ["roundrobin", "RoundRobinAssigner"];

/** Encodes what a member wants to read. */
export function encodeSubscription(topics: readonly string[]): Uint8Array {
  return Writer.create()
    .appendInt16(0)
    .appendArray([...topics], (writer, topic) => writer.appendString(topic, false), false, false)
    .appendBytes(null, false)
    .buffer;
}

/** Decodes which topics a member wants to read. */
export function decodeSubscription(bytes: Uint8Array): string[] {
  const reader = Reader.from(toBuffer(bytes));
  reader.readInt16();
  return reader.readArray((reader) => reader.readString(false), false, false);
}

/** Encodes which partitions a member gets. */
export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  return Writer.create()
    .appendInt16(0)
    .appendArray(
      [...byTopic],
      (writer, [topic, list]) => {
        writer.appendString(topic, false).appendArray(
          list,
          (writer, { partition }) => writer.appendInt32(partition),
          false,
          false,
        );
      },
      false,
      false,
    )
    .appendBytes(null, false)
    .buffer;
}

/** Decodes which partitions a member gets. */
export function decodeAssignment(bytes: Uint8Array): TopicPartition[] {
  // A member that the leader left out gets nothing at all.
  if (bytes.length === 0) return [];
  const reader = Reader.from(toBuffer(bytes));
  reader.readInt16();
  return reader.readArray(
    (reader) => {
      const topic = reader.readString(false);
      return reader.readArray((reader) => reader.readInt32(), false, false)
        .map((partition) => ({ topic, partition }));
    },
    false,
    false,
  ).flat();
}

/**
 * Deals out all partitions, one at a time, among the members that want their topic.
 *
 * @param members The topics each member wants, by its name.
 * @param partitionCount How many partitions a topic has.
 * @returns The partitions of each member, by its name.
 */
export function assignRoundRobin(
  members: ReadonlyMap<string, readonly string[]>,
  partitionCount: (topic: string) => number,
): Map<string, TopicPartition[]> {
  const names = [...members.keys()].sort();
  const assigned = new Map<string, TopicPartition[]>(names.map((name) => [name, []]));
  const topics = [...new Set([...members.values()].flat())].sort();
  let turn = 0;
  for (const topic of topics) {
    for (let partition = 0; partition < partitionCount(topic); partition++) {
      // At least one member wants it, or it would not be in the list.
      while (!members.get(names[turn % names.length]!)!.includes(topic)) turn++;
      assigned.get(names[turn++ % names.length]!)!.push({ topic, partition });
    }
  }
  return assigned;
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
