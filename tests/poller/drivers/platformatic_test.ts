import { driverContract } from "./contract.ts";

const driver = new URL("../../../src/poller/drivers/platformatic/driver.ts", import.meta.url);

driverContract("platformatic", driver, { codecs: ["gzip", "snappy", "lz4", "zstd"] });
