import { readFile } from "node:fs/promises";
import process from "node:process";
import { startApacheKafka } from "../../tests/support/kafka/mod.ts";

/** The broker that all the contestants of a run share. */
export interface BenchKafka extends AsyncDisposable {
  /** `host:port,…`. */
  bootstrapServers: string;
  /** Its version, or what is known instead. */
  version: string;
}

/**
 * Takes the broker named by the argument or by `KAFKA_BOOTSTRAP_SERVERS`, or starts Apache Kafka.
 *
 * @param bootstrapServers A broker that runs already.
 * @returns The broker; disposing it stops what was started here, and nothing else.
 */
export async function benchKafka(bootstrapServers?: string): Promise<BenchKafka> {
  const given = bootstrapServers ?? process.env["KAFKA_BOOTSTRAP_SERVERS"];
  if (given) {
    return {
      bootstrapServers: given,
      version: "a broker that ran before",
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const pom = await readFile(new URL("../../tests/support/kafka/pom.xml", import.meta.url), "utf8");
  const cluster = await startApacheKafka({ heapMb: 768, lasting: true });
  return {
    bootstrapServers: cluster.bootstrapServers,
    version: `Apache Kafka ${
      /<artifactId>kafka_[^<]+<\/artifactId>\s*<version>([^<]+)/.exec(pom)?.[1]
    }`,
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
}
