import { apacheAvailable } from "./kafka/mod.ts";

/**
 * What `describe` and `it` take: skips, with the reason, where there is no Apache Kafka. For tests that
 * are about that one, whatever the others run on; they take `sharedApacheKafka` or `startApacheKafka`,
 * and their files have "apache" in their names.
 */
export const needsApacheKafka: { skip?: string } = await apacheAvailable().then((available) =>
  available.ok ? {} : { skip: available.reason }
);
