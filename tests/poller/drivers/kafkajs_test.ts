import { driverContract } from "./contract.ts";

driverContract(
  "kafkajs",
  new URL("../../../src/poller/drivers/kafkajs/driver.ts", import.meta.url),
);
