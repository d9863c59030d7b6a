/** The connections over which this driver produces. */

import type { TopicPartition } from "../../../driver.ts";
import { ConnectionError, type KafkaThreadsError } from "../../../errors.ts";
import type { PartitionAnswer, PartitionBatch } from "../shared/produce_request.ts";
import type { ProducerConnections, TopicAnswer } from "../shared/producer.ts";
import type { Cluster } from "./cluster.ts";
import { answerError, CODES } from "./errors.ts";

/** A cluster of its own, since a reset must not touch what is read and the membership. */
export class PlatformaticProducerConnections implements ProducerConnections {
  readonly #createCluster: () => Cluster;
  #cluster: Cluster | null = null;
  #closed = false;

  /** @param createCluster Makes a cluster that has the brokers make topics which are missing. */
  constructor(createCluster: () => Cluster) {
    this.#createCluster = createCluster;
  }

  async topics(names: readonly string[]): Promise<Map<string, TopicAnswer>> {
    const cluster = this.#open();
    const failures = await cluster.refresh(names);
    return new Map(names.map((name) => [name, {
      errorCode: failures.get(name) ?? CODES.none,
      leaders: Array.from(
        { length: cluster.partitionCount(name) },
        (_, partition) => cluster.leaderOf(name, partition).leader,
      ),
    }]));
  }

  async send(
    leader: number,
    batches: readonly PartitionBatch[],
    timeoutMs: number,
  ): Promise<PartitionAnswer[]> {
    const connection = await this.#open().toNode(leader, "ask");
    return (await connection.request("produce", [batches, timeoutMs])).partitions;
  }

  answerError(attempt: string, code: number, where: Partial<TopicPartition>): KafkaThreadsError {
    return answerError(attempt, code, where);
  }

  reset(): void {
    this.#cluster?.close();
    this.#cluster = null;
  }

  close(): void {
    this.#closed = true;
    this.reset();
  }

  #open(): Cluster {
    if (this.#closed) throw new ConnectionError("Cannot produce: the driver is closed");
    return this.#cluster ??= this.#createCluster();
  }
}
