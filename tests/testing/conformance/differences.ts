// Where the broker of this library differs from Apache Kafka on purpose. The tests ask both, and
// docs/testing.md has the same table.
import {
  apiVersionsV3,
  type Connection,
  describeConfigsV4,
  fetchV12,
  findCoordinatorV4,
  initProducerIdV4,
  metadataV12,
  saslHandshakeV1,
} from "@platformatic/kafka";
import type { ConformanceClient } from "./client.ts";
import { refusal } from "./errors.ts";

/** What a probe works with. */
export interface ProbeScene {
  /** A connection to the broker. */
  connection: Connection;
  /** A connection to who leads a topic of one partition. */
  leaderConnection(topic: string): Promise<Connection>;
  /** A connection to its SASL listener, before the login. */
  saslConnection(): Promise<Connection>;
  /** A client of the broker. */
  client: ConformanceClient;
  /** Makes a topic of one partition that nobody else uses. */
  topic(config?: Record<string, string>): Promise<string>;
}

/** One line of the table. */
export interface Difference {
  /** What it is about. */
  about: string;
  /** What the broker of this library does. */
  embedded: string;
  /** What Apache Kafka does, as its tests run it: version 4, with its defaults. */
  apache: string;
  /** Asks a broker. */
  probe(scene: ProbeScene): Promise<unknown>;
  /** What each has to answer. */
  answers: { embedded: unknown; apache: unknown };
  /** Whether a SASL listener is needed. */
  secure?: boolean;
}

/** A part of the protocol that is not there at all. */
function absent(about: string, apache: string, apis: Record<string, number>): Difference {
  const keys = Object.values(apis);
  return {
    about,
    embedded: `not there: ${Object.keys(apis).join(", ")}`,
    apache,
    async probe({ connection }) {
      const { apiKeys } = await apiVersionsV3.api.async(connection, "conformance", "1");
      return keys.map((key) => apiKeys.some(({ apiKey }) => apiKey === key));
    },
    answers: { embedded: keys.map(() => false), apache: keys.map(() => true) },
  };
}

/** All of them. */
export const DIFFERENCES: readonly Difference[] = [
  absent("transactions", "takes them", {
    AddPartitionsToTxn: 24,
    AddOffsetsToTxn: 25,
    EndTxn: 26,
    TxnOffsetCommit: 28,
  }),
  {
    about: "a producer with a `transactional.id`",
    embedded: "`INVALID_REQUEST`",
    apache: "gets a producer id",
    async probe({ connection }) {
      const id = `conformance-${crypto.randomUUID()}`;
      // The coordinator of transactions is there some time after it has been asked for.
      for (let attempt = 0;; attempt++) {
        await findCoordinatorV4.api.async(connection, TRANSACTION, [id]).catch(() => {});
        const name = await refusal(initProducerIdV4.api.async(connection, id, 60_000, -1n, -1));
        if (!TRANSIENT.includes(name) || attempt === 100) return name;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    answers: { embedded: "INVALID_REQUEST", apache: "NONE" },
  },
  absent("groups of the new protocol (KIP-848) and share groups", "takes them", {
    ConsumerGroupHeartbeat: 68,
    ConsumerGroupDescribe: 69,
    ShareGroupHeartbeat: 76,
  }),
  absent("changing settings", "changes those of topics and brokers", {
    AlterConfigs: 33,
    IncrementalAlterConfigs: 44,
  }),
  absent("access control and quotas", "has both", {
    DescribeAcls: 29,
    CreateAcls: 30,
    DeleteAcls: 31,
    DescribeClientQuotas: 48,
    AlterClientQuotas: 49,
  }),
  absent("users and tokens", "makes users of SCRAM and delegation tokens", {
    DescribeUserScramCredentials: 50,
    AlterUserScramCredentials: 51,
    CreateDelegationToken: 38,
  }),
  absent("moving replicas by request", "moves them", {
    ElectLeaders: 43,
    AlterPartitionReassignments: 45,
    ListPartitionReassignments: 46,
  }),
  {
    about: "features of the cluster (KIP-584)",
    embedded: "none",
    apache: "`metadata.version`, `group.version`, `transaction.version` and others",
    async probe({ connection }) {
      const answer = await apiVersionsV3.api.async(connection, "conformance", "1");
      return (answer.finalizedFeatures ?? []).some(({ name }) => name === "metadata.version");
    },
    answers: { embedded: false, apache: true },
  },
  absent("what is on the disk", "tells it", { DescribeLogDirs: 35, DescribeProducers: 61 }),
  absent("pages of topics", "has them beside Metadata", { DescribeTopicPartitions: 75 }),
  {
    about: "fetch sessions (KIP-227)",
    embedded: "declined: each fetch names all its partitions",
    apache: "makes one when asked",
    async probe({ leaderConnection, topic }) {
      const name = await topic();
      const connection = await leaderConnection(name);
      const topics = fromTheBeginning(name);
      const answer = await fetchV12.api.async(connection, 0, 0, 1_000, 0, 0, 0, topics, [], "");
      return answer.sessionId !== 0;
    },
    answers: { embedded: false, apache: true },
  },
  {
    about: "internal topics",
    embedded: "none: commits are no records",
    apache: "`__consumer_offsets` and others",
    probe: ({ connection }) =>
      refusal(metadataV12.api.async(connection, ["__consumer_offsets"], false, false)),
    answers: { embedded: "UNKNOWN_TOPIC_OR_PARTITION", apache: "NONE" },
  },
  {
    about: "the topic setting `compression.type`",
    embedded: "kept, and changes nothing: batches are stored as they were sent",
    apache: "compresses batches anew",
    async probe({ leaderConnection, client, topic }) {
      const name = await topic({ "compression.type": "gzip" });
      await client.write(name, [{ value: "compressible ".repeat(100) }]);
      const connection = await leaderConnection(name);
      const topics = fromTheBeginning(name);
      const answer = await fetchV12.api.async(connection, 0, 0, 100_000, 0, 0, -1, topics, [], "");
      return answer.responses[0]!.partitions[0]!.records![0]!.attributes & 7;
    },
    answers: { embedded: 0, apache: 1 },
  },
  {
    about: "the settings of a broker",
    embedded: "a few that clients ask for",
    apache: "all",
    async probe({ connection }) {
      const resources = [{ resourceType: 4, resourceName: "1", configurationKeys: null }] as const;
      const { results } = await describeConfigsV4.api.async(
        connection,
        [...resources],
        false,
        false,
      );
      const names = results[0]!.configs.map(({ name }) => name);
      return ["num.partitions", "log.retention.hours"].map((name) => names.includes(name));
    },
    answers: { embedded: [true, false], apache: [true, true] },
  },
  {
    about: "SASL mechanisms",
    embedded: "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
    apache: "OAUTHBEARER and GSSAPI too, where it is set up for them",
    secure: true,
    async probe({ saslConnection }) {
      const connection = await saslConnection();
      const { mechanisms } = await saslHandshakeV1.api.async(connection, "PLAIN");
      return mechanisms.toSorted();
    },
    answers: {
      embedded: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
      apache: ["OAUTHBEARER", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
    },
  },
];

/** A kind of coordinator. */
const TRANSACTION = 1;
/** What passes when the topic of the transactions' coordinator has been made. */
const TRANSIENT = ["COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS"];

/** The first partition of a topic, as Fetch names it in a version that has no ids. */
function fromTheBeginning(topic: string) {
  return [{
    topicId: topic,
    partitions: [{
      partition: 0,
      currentLeaderEpoch: -1,
      fetchOffset: 0n,
      lastFetchedEpoch: -1,
      partitionMaxBytes: 100_000,
    }],
  }];
}
