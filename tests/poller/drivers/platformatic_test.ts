import { driverContract } from "./contract.ts";

const driver = new URL("../../../src/poller/drivers/platformatic/driver.ts", import.meta.url);

driverContract("platformatic", driver);
