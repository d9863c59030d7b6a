import { embeddedBroker } from "./brokers.ts";
import { conformanceTests } from "./suite.ts";

await conformanceTests("KafkaBroker", { start: embeddedBroker });
