/**
 * Names that Kafka itself restricts: addresses of brokers, and topics.
 *
 * @module
 */
import * as v from "valibot";
import { type OptionSchema, pathTo } from "./validate.ts";

/** Where a broker listens. */
export interface BrokerAddress {
  /** Host name or address; an IPv6 address is without brackets. */
  readonly host: string;
  /** Port, 1 to 65535. */
  readonly port: number;
}

const ADDRESS = "host:port with a port from 1 to 65535, such as localhost:9092 or [::1]:9092";
const TOPIC = "a topic name of 1 to 249 letters, digits, dots, underscores and hyphens";

/** The schema of `bootstrapServers`. */
export const bootstrapServers: OptionSchema<readonly BrokerAddress[]> = v.pipe(
  v.unknown(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const given = dataset.value;
    const list = typeof given === "string" ? given.split(",") : given;
    if (!Array.isArray(list) || list.length === 0) {
      addIssue({ message: `${ADDRESS}, or a list of those`, input: given });
      return NEVER;
    }
    const servers: BrokerAddress[] = [];
    for (const [index, item] of list.entries()) {
      const server = typeof item === "string" ? parseAddress(item.trim()) : undefined;
      if (server !== undefined) servers.push(server);
      else if (typeof given === "string") addIssue({ message: ADDRESS, input: item });
      else addIssue({ message: ADDRESS, input: item, path: pathTo([index], given) });
    }
    return servers;
  }),
);

/** The schema of `topics`. */
export const topics: OptionSchema<readonly string[]> = v.pipe(
  v.unknown(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const given = dataset.value;
    if (!Array.isArray(given) || given.length === 0) {
      addIssue({ message: "a list of one or more topic names", input: given });
      return NEVER;
    }
    const names: string[] = [];
    for (const [index, name] of given.entries()) {
      const path = pathTo([index], given);
      if (!isTopicName(name)) addIssue({ message: TOPIC, input: name, path });
      else if (names.includes(name)) {
        addIssue({ message: "a topic that the list does not have yet", input: name, path });
      } else names.push(name);
    }
    return names;
  }),
);

function parseAddress(text: string): BrokerAddress | undefined {
  const { bracketed, plain, digits } =
    /^(?:\[(?<bracketed>[0-9a-f:.]*:[0-9a-f:.]*(?:%[\w.-]+)?)\]|(?<plain>[\w.-]+)):(?<digits>\d{1,5})$/i
      .exec(text)?.groups ?? {};
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/**
 * Tells whether a value is a name that a topic can have.
 *
 * @param name Anything.
 * @returns Whether it is one.
 */
export function isTopicName(name: unknown): name is string {
  return typeof name === "string" && /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== "." &&
    name !== "..";
}
