/** The connections over which this driver produces. */

import type { DriverContext, TopicPartition } from "../../../driver.ts";
import {
  AuthenticationError,
  ConnectionError,
  DriverError,
  type KafkaThreadsError,
} from "../../../errors.ts";
import {
  OLDEST_PRODUCE_VERSION,
  type PartitionAnswer,
  type PartitionBatch,
  type ProduceResponse,
  readProduceResponse,
  writeProduceRequest,
} from "../shared/produce_request.ts";
import {
  ANSWER_TIMEOUT_MS,
  type ProducerConnections,
  type TopicAnswer,
} from "../shared/producer.ts";
import { type Connections, createConnections } from "./connections.ts";
import {
  apiKeys,
  type Broker,
  createErrorFromCode,
  encoded,
  type KafkajsLogger,
  type MetadataArguments,
  type ProduceArguments,
  type ProtocolRequest,
  requests,
} from "./internals.ts";
import type { KafkajsSettings } from "./settings.ts";
import { typedError } from "./typed_errors.ts";

const LEADER_NOT_AVAILABLE = 5;

/**
 * A cluster of its own: in kafkajs one topic that is missing makes all metadata fail, and the next fetch
 * with it.
 */
export class KafkajsProducerConnections implements ProducerConnections {
  readonly #create: () => Connections;
  readonly #topics = new Set<string>();
  #connections: Connections | null = null;
  #closed = false;

  constructor(context: DriverContext, settings: KafkajsSettings, logger: KafkajsLogger) {
    const requestTimeout = Math.min(settings.requestTimeout, ANSWER_TIMEOUT_MS);
    this.#create = () => createConnections(context, { ...settings, requestTimeout }, logger);
  }

  async topics(names: readonly string[]): Promise<Map<string, TopicAnswer>> {
    const connections = this.#open();
    const { cluster } = connections;
    for (const name of names) {
      this.#topics.add(name);
      cluster.targetTopics.add(name);
    }
    try {
      await cluster.connect();
      await cluster.refreshMetadata();
    } catch (error) {
      if (this.#connections === connections) this.reset();
      const list = names.map((name) => `"${name}"`).join(", ");
      throw typedError(`find who leads ${list}`, error);
    }
    const { topicMetadata } = cluster.brokerPool.metadata ?? { topicMetadata: [] };
    return new Map(names.map((name) => {
      const found = topicMetadata.find(({ topic }) => topic === name);
      const leaders: number[] = [];
      for (const { partitionId, leader } of found?.partitionMetadata ?? []) {
        leaders[partitionId] = leader ?? -1;
      }
      return [name, { errorCode: found?.topicErrorCode ?? LEADER_NOT_AVAILABLE, leaders }];
    }));
  }

  async send(
    leader: number,
    batches: readonly PartitionBatch[],
    timeoutMs: number,
  ): Promise<PartitionAnswer[]> {
    const connections = this.#open();
    let broker: Broker | null = null;
    try {
      broker = await connections.cluster.findBroker({ nodeId: leader });
      const { request } = broker.lookupRequest<ProduceArguments>(
        apiKeys.Produce,
        requests.Produce,
      )({ acks: -1, timeout: timeoutMs, topicData: [] });
      const { apiVersion } = request;
      if (apiVersion < OLDEST_PRODUCE_VERSION) {
        throw new DriverError(
          `Cannot produce to broker ${leader}: it speaks version ${apiVersion} of Produce, at least ${OLDEST_PRODUCE_VERSION} is needed (Kafka 0.11)`,
          { retriable: false },
        );
      }
      const body = writeProduceRequest(batches, timeoutMs);
      const { partitions } = await broker.connectionPool.send<ProduceResponse>({
        request: { ...request, encode: () => Promise.resolve(encoded(body)) },
        response: {
          decode: (payload) => Promise.resolve(readProduceResponse(payload, apiVersion)),
          parse: (data) => Promise.resolve(data),
        },
      });
      return partitions;
    } catch (error) {
      // A connection that has failed, or does not answer, is of no use to those who come next.
      if (broker !== null && this.#connections === connections) connections.discard(broker);
      throw typedError(`produce to broker ${leader}`, error);
    }
  }

  answerError(attempt: string, code: number, where: Partial<TopicPartition>): KafkaThreadsError {
    const cause = createErrorFromCode(code);
    const message = `Cannot ${attempt}: ${cause.message}`;
    return cause.type?.endsWith("_AUTHORIZATION_FAILED")
      ? new AuthenticationError(message, { cause, code: "AUTHORIZATION_FAILED", ...where })
      : new DriverError(message, { cause, retriable: cause.retriable !== false, ...where });
  }

  reset(): void {
    this.#connections?.destroy();
    this.#connections = null;
  }

  close(): void {
    this.#closed = true;
    this.reset();
  }

  #open(): Connections {
    if (this.#closed) throw new ConnectionError("Cannot produce: the driver is closed");
    if (this.#connections !== null) return this.#connections;
    const { cluster } = this.#connections = this.#create();
    for (const name of this.#topics) cluster.targetTopics.add(name);
    const { createBroker } = cluster.brokerPool;
    cluster.brokerPool.createBroker = (options) => letTopicsFail(createBroker(options));
    return this.#connections;
  }
}

/** Has a broker return the topics that it has errors for with the others, and make missing ones. */
function letTopicsFail(broker: Broker): Broker {
  broker.metadata = async (topics) => {
    const { request, response } = broker.lookupRequest<MetadataArguments>(
      apiKeys.Metadata,
      requests.Metadata,
    )({ topics, allowAutoTopicCreation: true }) as ProtocolRequest<unknown>;
    return await broker.connectionPool.send({
      request,
      response: {
        decode: (payload) => response.decode(payload),
        parse: (data) => Promise.resolve(data),
      },
    });
  };
  return broker;
}
