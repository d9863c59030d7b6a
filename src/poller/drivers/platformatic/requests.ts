/**
 * The requests this driver makes, and what it reads of the answers.
 *
 * Each API of @platformatic/kafka takes the same arguments in all versions, and its answers carry every
 * error code they hold, so that one shape serves all versions.
 */

import * as kafka from "@platformatic/kafka";
import { type FetchResponse, readFetchResponse } from "../shared/fetch_response.ts";
import {
  NEWEST_PRODUCE_VERSION,
  OLDEST_PRODUCE_VERSION,
  type PartitionBatch,
  type ProduceResponse,
  readProduceResponse,
  writeProduceRequest,
} from "../shared/produce_request.ts";

/** Arguments and answers, by API. */
export interface Requests {
  metadata: {
    args: [topics: string[], autocreate: boolean, authorized: boolean];
    answer: {
      brokers: { nodeId: number; host: string; port: number }[];
      topics: {
        errorCode: number;
        name: string;
        partitions: { partitionIndex: number; leaderId: number; leaderEpoch?: number }[];
      }[];
    };
  };
  findCoordinator: {
    args: [keyType: number, keys: string[]];
    answer: {
      /** Before version 4. */
      errorCode?: number;
      coordinators: { nodeId: number; host: string; port: number; errorCode?: number }[];
    };
  };
  joinGroup: {
    args: [
      groupId: string,
      sessionTimeoutMs: number,
      rebalanceTimeoutMs: number,
      memberId: string,
      groupInstanceId: string | null,
      protocolType: string,
      protocols: { name: string; metadata: Uint8Array }[],
      reason: string,
    ];
    answer: {
      errorCode: number;
      generationId: number;
      protocolName: string | null;
      leader: string;
      memberId: string;
      members: { memberId: string; metadata: Uint8Array }[];
    };
  };
  syncGroup: {
    args: [
      groupId: string,
      generationId: number,
      memberId: string,
      groupInstanceId: string | null,
      protocolType: string,
      protocolName: string | null,
      assignments: { memberId: string; assignment: Uint8Array }[],
    ];
    answer: { errorCode: number; assignment: Uint8Array };
  };
  heartbeat: {
    args: [groupId: string, generationId: number, memberId: string, groupInstanceId: string | null];
    answer: { errorCode: number };
  };
  leaveGroup: {
    args: [
      groupId: string,
      members: { memberId: string; groupInstanceId: string | null; reason: string }[],
    ];
    answer: { errorCode: number };
  };
  offsetFetch: {
    args: [
      groups: {
        groupId: string;
        memberId: string | null;
        memberEpoch: number;
        topics: { name: string; partitionIndexes: number[] }[];
      }[],
      requireStable: boolean,
    ];
    answer: OffsetFetchGroup & { groups?: OffsetFetchGroup[] };
  };
  offsetCommit: {
    args: [
      groupId: string,
      generationId: number,
      memberId: string,
      groupInstanceId: string | null,
      topics: {
        name: string;
        partitions: {
          partitionIndex: number;
          committedOffset: bigint;
          committedLeaderEpoch: number;
          committedMetadata: string;
        }[];
      }[],
    ];
    answer: {
      topics: { name: string; partitions: { partitionIndex: number; errorCode: number }[] }[];
    };
  };
  listOffsets: {
    args: [
      replica: number,
      isolationLevel: number,
      topics: {
        name: string;
        partitions: { partitionIndex: number; currentLeaderEpoch: number; timestamp: bigint }[];
      }[],
    ];
    answer: {
      topics: {
        name: string;
        partitions: { partitionIndex: number; errorCode: number; offset: bigint }[];
      }[];
    };
  };
  fetch: {
    args: [
      maxWaitMs: number,
      minBytes: number,
      maxBytes: number,
      isolationLevel: number,
      sessionId: number,
      sessionEpoch: number,
      topics: {
        topicId: string;
        partitions: {
          partition: number;
          currentLeaderEpoch: number;
          fetchOffset: bigint;
          lastFetchedEpoch: number;
          partitionMaxBytes: number;
        }[];
      }[],
      forgotten: never[],
      rackId: string,
    ];
    answer: FetchResponse;
  };
  produce: {
    args: [batches: readonly PartitionBatch[], timeoutMs: number];
    answer: ProduceResponse;
  };
}

/** What a group has committed; at the top of the answer before version 8. */
interface OffsetFetchGroup {
  errorCode?: number;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      committedOffset: bigint;
      metadata: string | null;
      errorCode: number;
    }[];
  }[];
}

/** Name of an API. */
export type RequestName = keyof Requests;

/** The versions this driver can speak: what lies below lacks what it needs. */
const VERSIONS: Record<RequestName, { key: number; oldest: number; newest: number }> = {
  produce: { key: 0, oldest: OLDEST_PRODUCE_VERSION, newest: NEWEST_PRODUCE_VERSION },
  fetch: { key: 1, oldest: 4, newest: 11 },
  listOffsets: { key: 2, oldest: 1, newest: 9 },
  metadata: { key: 3, oldest: 1, newest: 12 },
  offsetCommit: { key: 8, oldest: 2, newest: 9 },
  offsetFetch: { key: 9, oldest: 1, newest: 9 },
  findCoordinator: { key: 10, oldest: 0, newest: 6 },
  joinGroup: { key: 11, oldest: 1, newest: 9 },
  heartbeat: { key: 12, oldest: 0, newest: 4 },
  leaveGroup: { key: 13, oldest: 0, newest: 5 },
  syncGroup: { key: 14, oldest: 0, newest: 5 },
};

/** Versions a broker offers, by the key of the API. */
export type BrokerVersions = ReadonlyMap<number, { minVersion: number; maxVersion: number }>;

// deno-lint-ignore no-explicit-any
type AnyApi = kafka.API<any[], any>;

/**
 * Finds the newest version of an API that both sides speak.
 *
 * @returns The API, or undefined if there is no such version.
 */
export function findApi(name: RequestName, broker: BrokerVersions): AnyApi | undefined {
  const own = VERSIONS[name];
  const offered = broker.get(own.key);
  if (offered === undefined) return undefined;
  const newest = Math.min(own.newest, offered.maxVersion);
  if (newest < Math.max(own.oldest, offered.minVersion)) return undefined;
  if (name === "produce") {
    // Its own writer keeps neither repeated names of headers nor all timestamps.
    return kafka.createAPI(own.key, newest, createProduce, readProduce, false, false) as AnyApi;
  }
  const module = (kafka as unknown as Record<string, ApiModule | undefined>)[`${name}V${newest}`];
  if (module === undefined || name !== "fetch") return module?.api;
  // Its own reader would make an object of every record.
  return kafka.createAPI(1, newest, module.createRequest, readFetch, false, false) as AnyApi;
}

interface ApiModule {
  api: AnyApi;
  createRequest: kafka.RequestCreator;
}

function readFetch(
  _id: number,
  _key: number,
  version: number,
  reader: kafka.Reader,
): FetchResponse {
  return readFetchResponse(reader.buffer.slice(reader.position), version);
}

function createProduce(batches: readonly PartitionBatch[], timeoutMs: number): kafka.Writer {
  return kafka.Writer.create().append(writeProduceRequest(batches, timeoutMs));
}

function readProduce(
  _id: number,
  _key: number,
  version: number,
  reader: kafka.Reader,
): ProduceResponse {
  return readProduceResponse(reader.buffer.slice(reader.position), version);
}
