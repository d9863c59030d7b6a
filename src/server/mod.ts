/**
 * Health, metrics and status of consumers by HTTP.
 *
 * @module
 */

export type { Monitored } from "./monitored.ts";
export { type HealthApp, healthRoutes, type HealthRoutesOptions } from "./routes.ts";
