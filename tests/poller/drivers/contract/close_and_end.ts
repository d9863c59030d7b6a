// Run by ending.ts in a process of its own, which ends as soon as nothing keeps it alive:
// close_and_end.ts <driver> <subscription>

import process from "node:process";
import type { CreateDriver } from "../../../../src/driver.ts";
import { Member } from "./member.ts";

const [driver = "", subscription = ""] = process.argv.slice(2);
const createDriver = (await import(driver)).default as CreateDriver;
const options = JSON.parse(subscription);

const never = await Member.create(createDriver, options);
await never.close();

const reader = await Member.create(createDriver, options);
await reader.run().untilRead(1);
await reader.commitAll();
await reader.driver.produce!([{ topic: options.topics[0], key: null, value: null, headers: [] }]);
await reader.close();

const unreachable = await Member.create(createDriver, {
  ...options,
  bootstrapServers: ["127.0.0.1:1"],
});
await unreachable.driver.poll(0).catch(() => {});
const record = { topic: "none", key: null, value: null, headers: [] };
const unsent = unreachable.driver.produce!([record]).catch(() => {});
await unreachable.close();
await unsent;

console.log("closed");
