import process from "node:process";
import { sharedApacheKafka } from "../../support/kafka/mod.ts";
import { needsApacheKafka } from "../../support/apache_skip.ts";
import { apacheBroker } from "./brokers.ts";
import { conformanceTests } from "./suite.ts";

// One that is started for these tests has them.
const secure = !process.env["KAFKA_BOOTSTRAP_SERVERS"] ||
  (await sharedApacheKafka()).tls !== undefined;

await conformanceTests("Apache Kafka", {
  start: apacheBroker,
  skip: needsApacheKafka.skip,
  skipSecurity: secure
    ? undefined
    : "KAFKA_BOOTSTRAP_SERVERS names a Kafka of which no TLS and SASL listeners are known",
});
