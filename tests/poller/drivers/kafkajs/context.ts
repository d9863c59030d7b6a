import type { DriverContext } from "../../../../src/driver.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** What a driver is made from, where nothing of it matters but what is given here. */
export function driverContext(given: Partial<DriverContext> = {}): DriverContext {
  return {
    bootstrapServers: ["nowhere:1"],
    groupId: "group",
    topics: ["t"],
    startFrom: "latest",
    clientId: "client",
    ssl: false,
    driverOptions: {},
    sessionTimeoutMs: 10_000,
    heartbeatIntervalMs: 3_000,
    maxBytes: 16 * 1024 * 1024,
    hooks: { assigned() {}, revoked: () => Promise.resolve(), lost() {} },
    logger: quiet,
    signal: new AbortController().signal,
    ...given,
  };
}
