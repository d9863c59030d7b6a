/** Health, metrics and status of consumers by HTTP. */

import { type Context, Hono } from "hono";
import { optionsObject, parseOptions } from "../options/validate.ts";
import { errorFacts } from "../program/error_facts.ts";
import type { Health, HealthCheck, HealthProbe } from "../program/health.ts";
import { encodeError } from "../threads/error_wire.ts";
import type { Metrics } from "./metrics/mod.ts";
import { consumerList, type Monitored } from "./monitored.ts";
import { type Asked, RequestChecks, type RequestError, wrong } from "./requests.ts";
import { type HealthRoutesOptions, healthRoutesSchemas } from "./routes_options.ts";

export type { HealthRoutesOptions } from "./routes_options.ts";

/** An app of Hono's: `app.route("/", …)` mounts it in another, `app.fetch(request)` answers. */
// Not just `Hono`: for that one `deno doc --lint` wants the documentation of all that Hono is made of.
export type HealthApp = InstanceType<typeof import("hono")["Hono"]>;

const HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
/** Who asks where. */
const PROBES: Readonly<Record<string, HealthProbe>> = {
  "/health": "health",
  "/health/live": "live",
  "/health/ready": "ready",
  "/health/started": "started",
};

const options = optionsObject(healthRoutesSchemas);

/**
 * Makes an app that answers for consumers: `/health`, `/health/live`, `/health/ready` and
 * `/health/started` with 200 or 503, `/metrics` for Prometheus, `/status` with all figures. It starts
 * nothing; mount it under any prefix, or give its `fetch` to a server.
 *
 * @param consumers One consumer or several, whose names differ.
 * @param given What it serves.
 * @returns The app, one of Hono's.
 * @throws {OptionsError} If options are wrong, if something is no consumer, or if names are the same.
 *
 * @example In an app of one's own
 * ```ts no-eval
 * import { Hono } from "hono";
 * import { createOrderedConsumer } from "@kafka-threads/kafka-threads";
 * import { healthRoutes } from "@kafka-threads/kafka-threads/server";
 *
 * const consumer = createOrderedConsumer({
 *   bootstrapServers: "localhost:9092",
 *   groupId: "shop.orders",
 *   topics: ["orders"],
 *   handler: (context, order: { id: number }) => context.logger.info(`Order ${order.id}`),
 * });
 * const app = new Hono();
 * app.route("/internal", healthRoutes(consumer));
 * Deno.serve({ port: 9090 }, app.fetch);
 * await consumer.start();
 * ```
 */
export function healthRoutes(
  consumers: Monitored | readonly Monitored[],
  given: HealthRoutesOptions = {},
): HealthApp {
  const all = consumerList(consumers);
  const { metrics, registry, exposeErrors } = parseOptions(options, given);
  const requests = new RequestChecks(all.map(({ name }) => name));
  const app = new Hono();
  const paths: string[] = [];

  const get = (path: string, answer: (context: Context) => Response | Promise<Response>) => {
    paths.push(path);
    // Hono answers HEAD by what GET answers, without its body.
    app.get(path, answer);
    app.all(path, ({ req }) =>
      json(
        {
          error: {
            message: "The method is not allowed",
            parameter: "method",
            value: req.method,
            allowed: ["GET", "HEAD"],
          },
        },
        405,
        { allow: "GET, HEAD" },
      ));
  };
  const chosen = ({ consumer }: { consumer: string | null }) =>
    consumer === null ? all : all.filter(({ name }) => name === consumer);

  for (const [path, probe] of Object.entries(PROBES)) {
    get(path, async ({ req }) => {
      const asked = requests.query(req.url);
      if (isWrong(asked)) return refuse(asked);
      const found = await Promise.all(
        chosen(asked).map(async (one) => ({
          consumer: one.name,
          ...await healthOf(one, probe),
        })),
      );
      const isUp = found.every(({ status }) => status === "UP");
      const checks = found.flatMap(({ consumer, checks }) =>
        checks.map((check) => ({ consumer, ...(exposeErrors ? check : withoutMessage(check)) }))
      );
      return json({ status: isUp ? "UP" : "DOWN", checks }, isUp ? 200 : 503);
    });
  }

  get("/status", ({ req }) => {
    const asked = requests.query(req.url);
    if (isWrong(asked)) return refuse(asked);
    return json({ consumers: chosen(asked).map((one) => one.stats()) });
  });
  get("/status/:consumer", ({ req }) => {
    const asked = requests.path(req.param("consumer") ?? "");
    if (isWrong(asked)) return refuse(asked);
    return json(chosen(asked)[0]!.stats());
  });

  if (metrics) {
    const scrape = sharedScrape(async () => {
      // Not in the module graph of this entry: prom-client needs Node's modules.
      const { createMetrics } = await import("./metrics/mod.ts");
      return await createMetrics(all, registry);
    });
    get("/metrics", async () => {
      try {
        const { text, contentType } = await scrape();
        return new Response(text, { headers: { ...HEADERS, "content-type": contentType } });
      } catch (error) {
        const { message, ...facts } = errorFacts(encodeError(error));
        const reason = exposeErrors ? { reason: message } : {};
        return json({ error: { message: "Cannot collect metrics", ...facts, ...reason } }, 503);
      }
    });
  }

  app.notFound(({ req }) =>
    refuse(wrong(404, "There is nothing at this path", "path", req.path, paths))
  );
  app.onError((error) => {
    console.error("Cannot answer a request for health, metrics or status", error);
    return json({ error: { message: "The request cannot be answered" } }, 500);
  });
  return app as HealthApp;
}

/** One scrape at a time, whose text is for all who ask meanwhile; what could not be made is made anew. */
function sharedScrape(
  create: () => Promise<Metrics>,
): () => Promise<{ text: string; contentType: string }> {
  let metrics: Metrics | null = null;
  let scraping: Promise<{ text: string; contentType: string }> | null = null;
  const scrape = async () => {
    metrics ??= await create();
    return { text: await metrics.scrape(), contentType: metrics.contentType };
  };
  return () => scraping ??= scrape().finally(() => scraping = null);
}

/** A consumer of another copy of this library may be one whose `health` rejects. */
async function healthOf(one: Monitored, probe: HealthProbe): Promise<Health> {
  try {
    return await one.health(probe);
  } catch (error) {
    const data = { error: errorFacts(encodeError(error)) };
    return { status: "DOWN", checks: [{ name: "health", status: "DOWN", data }] };
  }
}

function withoutMessage(check: HealthCheck): HealthCheck {
  const { error, ...data } = check.data;
  if (error === undefined) return check;
  const { name, code } = error as { name: string; code: string | null };
  return { ...check, data: { ...data, error: { name, code } } };
}

function isWrong(asked: Asked): asked is RequestError {
  return "status" in asked;
}

function refuse({ status, error }: RequestError): Response {
  return json({ error }, status);
}

function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...HEADERS, ...headers },
  });
}
