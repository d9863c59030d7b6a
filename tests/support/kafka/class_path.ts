import { fileURLToPath } from "node:url";
import { type Availability, classPathOf, javaCanRun, type JavaLibrary } from "./maven.ts";

const APACHE_KAFKA: JavaLibrary = {
  title: "Apache Kafka",
  name: "kafka",
  pom: fileURLToPath(new URL("./pom.xml", import.meta.url)),
  oldestJava: 17,
};

/** Whether Apache Kafka can run here, and if not, why. */
export type KafkaAvailability = Availability;

/**
 * Tells whether `startApacheKafka` can work on this machine.
 *
 * @returns `ok`, or the reason to print beside the skipped tests.
 */
export function apacheStartable(): Promise<KafkaAvailability> {
  return javaCanRun(APACHE_KAFKA);
}

/**
 * Resolves the jars of Apache Kafka. The first call on a machine lets Maven fetch them, which takes
 * a while; later ones take what is in the cache.
 *
 * @returns The class path, ready for `java -cp`.
 * @throws {Error} When Maven is missing or cannot resolve the jars.
 */
export function kafkaClassPath(): Promise<string> {
  return classPathOf(APACHE_KAFKA);
}
