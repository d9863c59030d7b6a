import { kafkaAvailable } from "./kafka/mod.ts";

/** What `describe` and `it` take: skips, with the reason, where there is no Kafka to test on. */
export const needsKafka: { skip?: string } = await kafkaAvailable().then((available) =>
  available.ok ? {} : { skip: available.reason }
);
