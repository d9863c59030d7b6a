import assert from "node:assert/strict";
import { Hono } from "hono";
import { Registry } from "prom-client";
import { after, before, describe, it } from "#std/testing/bdd";
import { type Consumer, OptionsError } from "../../mod.ts";
import { healthRoutes } from "../../src/server/mod.ts";
import { listen } from "../../src/server/listen.ts";
import { typesChecked } from "../support/types_checked.ts";
import { calmConsumer, calmManager } from "./calm.ts";

const PROBES = ["/health", "/health/ready", "/health/live", "/health/started"];

interface Answer {
  status: string;
  checks: { consumer: string; name: string; status: string; data: Record<string, unknown> }[];
  consumers: ReturnType<Consumer["stats"]>[];
  error: Record<string, unknown>;
  name: string;
}

/** Asks, and takes the answer apart. */
async function ask(
  app: { request(path: string, init?: RequestInit): Response | Promise<Response> },
  path: string,
  init?: RequestInit,
): Promise<{ status: number; headers: Headers; body: Answer }> {
  const response = await app.request(path, init);
  const { status, headers } = response;
  const text = await response.text();
  return { status, headers, body: text === "" ? null : JSON.parse(text) };
}

describe("healthRoutes() of consumers that run", () => {
  const orders = calmConsumer("orders", { count: 3, handler: () => {} });
  const audit = calmManager("audit", { name: "audit/✓" });
  const app = healthRoutes([orders, audit]);

  before(async () => {
    await Promise.all([orders.start(), audit.start()]);
  });
  after(async () => {
    await Promise.all([orders.stop(), audit.stop()]);
  });

  it("answers each probe with each check of each consumer", async () => {
    for (const path of PROBES) {
      const { status, headers, body } = await ask(app, path);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(headers.get("content-type"), "application/json");
      assert.equal(headers.get("cache-control"), "no-store");
      assert.equal(body.status, "UP");
      assert(body.checks.every((check) => check.status === "UP" && check.data !== undefined));
      const names = new Set(body.checks.map(({ consumer }) => consumer));
      assert.deepEqual([...names], ["kafka_consumer.orders", "audit/✓"]);
    }
    const names = async (path: string) =>
      (await ask(app, path)).body.checks
        .filter(({ consumer }) => consumer === orders.name).map(({ name }) => name);
    assert.deepEqual(await names("/health"), [
      "state",
      "thread",
      "poll",
      "heartbeat",
      "commits",
      "handlers",
      "progress",
    ]);
    assert.deepEqual(await names("/health/live"), ["state", "thread", "handlers", "progress"]);
    assert.deepEqual(await names("/health/started"), ["state"]);
  });

  it("answers for one consumer where it is named", async () => {
    const query = `?consumer=${encodeURIComponent("audit/✓")}`;
    for (const path of PROBES) {
      const { status, body } = await ask(app, `${path}${query}`);
      assert.equal(status, 200);
      assert(body.checks.every(({ consumer }) => consumer === "audit/✓"));
    }
    const { body } = await ask(app, `/status${query}`);
    assert.deepEqual(body.consumers.map(({ name }) => name), ["audit/✓"]);
  });

  it("shows the figures of all, and of one", async () => {
    const { status, body } = await ask(app, "/status");
    assert.equal(status, 200);
    const [first, second] = body.consumers;
    assert.deepEqual(
      [first!.name, first!.state, first!.partitions[0]!.topic, first!.handlers.threads.length],
      [orders.name, "running", "numbers", 1],
    );
    assert.equal(second!.name, "audit/✓");
    const one = await ask(app, `/status/${encodeURIComponent("audit/✓")}`);
    assert.equal(one.status, 200);
    assert.equal(one.body.name, "audit/✓");
    assert.equal(one.headers.get("cache-control"), "no-store");
  });

  it("says what is wrong with a parameter, and what is allowed", async () => {
    const names = ["kafka_consumer.orders", "audit/✓"];
    const long = "x".repeat(5_000);
    const cases: [string, number, Record<string, unknown>][] = [
      ["/health?consumer=nobody", 404, { parameter: "consumer", value: "nobody", allowed: names }],
      ["/status?consumer=", 404, { parameter: "consumer", value: "", allowed: names }],
      ["/status/nobody", 404, { parameter: "consumer", value: "nobody", allowed: names }],
      ["/status/%E0%A4%A", 404, { parameter: "consumer", value: "%E0%A4%A", allowed: names }],
      [`/status/${long}`, 404, {
        parameter: "consumer",
        value: `${"x".repeat(80)}…`,
        allowed: names,
      }],
      ["/health/live?consumer=audit/✓&consumer=x", 400, {
        parameter: "consumer",
        value: "2 times",
        allowed: names,
      }],
      ["/health?consumers=x", 400, { parameter: "consumers", value: "x", allowed: ["consumer"] }],
      ["/nothing", 404, {
        parameter: "path",
        value: "/nothing",
        allowed: [...PROBES.toSorted(), "/metrics", "/status", "/status/:consumer"],
      }],
    ];
    for (const [path, expected, details] of cases) {
      const { status, body, headers } = await ask(app, path);
      assert.equal(status, expected, path.slice(0, 60));
      const { message, ...error } = body.error;
      assert.match(String(message), /^[A-Z][^.]+$/);
      assert.deepEqual(
        { ...error, allowed: (error["allowed"] as string[]).toSorted() },
        { ...details, allowed: (details["allowed"] as string[]).toSorted() },
      );
      assert.equal(headers.get("cache-control"), "no-store");
    }
  });

  it("answers HEAD as GET, without a body, and refuses other methods", async () => {
    for (const path of [...PROBES, "/status", "/metrics", `/status/${orders.name}`]) {
      const head = await app.request(path, { method: "HEAD" });
      assert.equal(head.status, 200, path);
      assert.equal(await head.text(), "");
      for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"]) {
        const { status, headers, body } = await ask(app, path, { method });
        assert.equal(status, 405);
        assert.equal(headers.get("allow"), "GET, HEAD");
        assert.equal(body.error["value"], method);
      }
    }
  });

  it("is mounted anywhere without a trace in the app around it", async () => {
    const own = new Hono();
    own.route("/internal", app);
    own.get("/internal/status/:x/mine", (context) => context.text("mine"));
    own.get("/", (context) => context.text("root"));
    own.notFound((context) => context.text("lost", 404));
    assert.equal((await ask(own, "/internal/health/live")).status, 200);
    assert.equal((await ask(own, "/internal/health", { method: "POST" })).status, 405);
    assert.equal((await ask(own, "/internal/status?consumer=x")).status, 404);
    for (const [path, text] of [["/", "root"], ["/internal/status/1/mine", "mine"]] as const) {
      const response = await own.request(path);
      assert.equal(await response.text(), text);
      assert.equal(response.headers.get("cache-control"), null);
    }
    assert.equal(await (await own.request("/health")).text(), "lost");
    assert.equal(await (await own.request("/internal/nothing")).text(), "lost");
    const based = new Hono().basePath("/a/b").route("/", app);
    assert.equal((await ask(based, "/a/b/health/ready")).status, 200);
    // Beside routes of one's own at the root, before and after.
    const flat = new Hono();
    flat.get("/metrics/mine", (context) => context.text("before"));
    flat.route("/", app);
    flat.get("/mine", (context) => context.text("after"));
    assert.equal(await (await flat.request("/mine")).text(), "after");
    assert.equal((await ask(flat, "/health")).status, 200);
  });

  it("is served by this runtime's server", async () => {
    const server = await listen(app.fetch, { hostname: "127.0.0.1", port: 0 });
    try {
      const get = (path: string, method = "GET") =>
        fetch(new URL(path, server.url), { method, headers: { connection: "close" } });
      const answers = await Promise.all(PROBES.map((path) => get(path)));
      for (const answer of answers) {
        assert.equal(answer.status, 200);
        assert.equal((await answer.json()).status, "UP");
      }
      const head = await get("/health", "HEAD");
      assert.deepEqual([head.status, await head.text()], [200, ""]);
      const post = await get("/status", "POST");
      assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
      await post.text();
      const odd = await get(`/status/${encodeURIComponent("audit/✓")}`);
      assert.equal((await odd.json()).name, "audit/✓");
    } finally {
      await server.close();
    }
  });

  it("shows metrics, of a registry of the user's too, and none where they are not wanted", async () => {
    const response = await app.request("/metrics");
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type")!, /^text\/plain/);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.match(await response.text(), /kafka_consumer_messages_processed_total/);
    assert.equal((await ask(healthRoutes(orders, { metrics: false }), "/metrics")).status, 404);
    const registry = new Registry();
    registry.metrics = () =>
      Promise.reject(Object.assign(new Error("secret"), { code: "E_SCRAPE" }));
    const quiet = await ask(healthRoutes(orders, { registry }), "/metrics");
    assert.equal(quiet.status, 503);
    assert.deepEqual(quiet.body, {
      error: { message: "Cannot collect metrics", name: "Error", code: "E_SCRAPE" },
    });
    const loud = await ask(healthRoutes(orders, { registry, exposeErrors: true }), "/metrics");
    assert.equal(loud.body.error["reason"], "secret");
  });
});

describe("healthRoutes() of consumers that do not run", () => {
  it("tells whether they were started, and does not call them dead", async () => {
    const consumer = calmConsumer("later");
    const app = healthRoutes(consumer);
    const statuses = async () =>
      await Promise.all(PROBES.map(async (path) => (await ask(app, path)).status));
    assert.deepEqual(await statuses(), [503, 503, 200, 503]);
    assert.equal((await ask(app, "/status")).status, 200);
    assert.equal((await app.request("/metrics")).status, 200);
    const starting = consumer.start();
    assert.equal(consumer.state, "starting");
    assert.deepEqual(await statuses(), [503, 503, 200, 503]);
    await starting;
    assert.deepEqual(await statuses(), [200, 200, 200, 200]);
    await consumer.stop();
    assert.deepEqual(await statuses(), [503, 503, 200, 200]);
  });

  it("are dead where they have failed, and the error's message is for those who may see it", async () => {
    const consumer = calmConsumer("failing", {
      count: 1,
      handler: () => {
        throw new Error("secret");
      },
    });
    const failed = assert.rejects(consumer.closed);
    await consumer.start().catch(() => {});
    await failed;
    const { status, body } = await ask(healthRoutes(consumer), "/health/live");
    assert.equal(status, 503);
    assert.deepEqual(body.checks, [{
      consumer: consumer.name,
      name: "state",
      status: "DOWN",
      data: { state: "failed", error: { name: "HandlerError", code: "HANDLER_FAILED" } },
    }]);
    const app = healthRoutes(consumer, { exposeErrors: true });
    assert.match(JSON.stringify((await ask(app, "/health/live")).body), /secret/);
  });
});

describe("healthRoutes() of a consumer that stops", () => {
  it("still tell for how long a handler has had its message", async () => {
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const consumer = calmConsumer("stopping", {
      count: 1,
      handler: () => {
        begun.resolve();
        return gate.promise;
      },
    });
    await consumer.start();
    await begun.promise;
    const stopped = consumer.stop();
    assert.equal(consumer.state, "stopping");
    const { status, body } = await ask(healthRoutes(consumer), "/health/live");
    assert.equal(status, 200);
    assert.deepEqual(body.checks.map(({ name }) => name), ["state", "handlers"]);
    assert(Number(body.checks[1]!.data["oldestMs"]) >= 0);
    gate.resolve();
    await stopped;
  });
});

describe("a healthCheck", () => {
  it("is asked by health and ready, once for all who ask meanwhile, and tells no secrets", async () => {
    let calls = 0;
    const consumer = calmConsumer("own", {
      healthCheck: () => {
        calls++;
        return Promise.reject(new TypeError("secret"));
      },
    });
    await consumer.start();
    const app = healthRoutes(consumer);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(app, "/health/ready")));
    assert.equal(calls, 1);
    for (const { status, body } of answers) {
      assert.equal(status, 503);
      assert.deepEqual(body.checks.filter((check) => check.status === "DOWN"), [{
        consumer: consumer.name,
        name: "own check",
        status: "DOWN",
        data: { error: { name: "TypeError", code: null } },
      }]);
    }
    assert.equal((await ask(app, "/health/live")).status, 200);
    assert.equal((await ask(app, "/health/started")).status, 200);
    assert.equal(calls, 1);
    assert.equal((await ask(app, "/health")).status, 503);
    assert.equal(calls, 2);
    await consumer.stop();
  });
});

describe("a handler that blocks the program's thread", () => {
  it("fails no probe: what was asked before is answered, and UP, when it lets go", async () => {
    await typesChecked();
    const answers: Promise<Awaited<ReturnType<typeof ask>>>[] = [];
    const all = Promise.withResolvers<void>();
    const consumer = calmConsumer("blocked", {
      count: 2,
      thread: "worker",
      handler: (_context, number) => {
        answers.push(...PROBES.map((path) => ask(app, path)));
        // Longer than the thread may take to answer, and than the session.
        const until = performance.now() + 1_500;
        while (performance.now() < until);
        if (number === 1) all.resolve();
      },
    });
    const app = healthRoutes(consumer);
    await consumer.start();
    await all.promise;
    for (const { status, body } of await Promise.all(answers)) {
      assert.equal(status, 200, JSON.stringify(body));
    }
    assert.equal(answers.length, 8);
    await consumer.stop();
  });
});

describe("what healthRoutes() is given", () => {
  const problems = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      assert(OptionsError.is(error));
      return error.issues.map(({ option, value, expected }) => `${option} = ${value}: ${expected}`);
    }
    throw new Error("It was taken");
  };

  it("is refused where it is no consumer, or has another's name", () => {
    const one = calmConsumer("one");
    const other = calmManager("other", { name: one.name });
    assert.deepEqual(problems(() => healthRoutes([one, 3, other, null] as never)), [
      "consumers[1] = 3: a consumer, or a ThreadManager",
      'consumers[2].name = "kafka_consumer.one": a name that no other consumer has; consumers[0] has it',
      "consumers[3] = null: a consumer, or a ThreadManager",
    ]);
    assert.deepEqual(problems(() => healthRoutes(undefined as never)), [
      "consumers = undefined: a consumer, or a ThreadManager",
    ]);
    assert.equal(problems(() => healthRoutes([])).length, 1);
    assert.equal(problems(() => healthRoutes([one, one])).length, 1);
  });

  it("is refused where options are wrong, with all of them", () => {
    const options = { metrics: "yes", registry: {}, exposeErrors: 1, metric: true };
    assert.deepEqual(problems(() => healthRoutes(calmConsumer("x"), options as never)), [
      'metrics = "yes": true or false',
      "registry = {}: a Registry of prom-client",
      "exposeErrors = 1: true or false",
      'metric = true: a known option; did you mean "metrics"?',
    ]);
  });

  it("is a probe that there is, where the program asks by itself", async () => {
    await assert.rejects(calmConsumer("x").health("readiness" as never), OptionsError);
    await assert.rejects(calmManager("x").health("" as never), OptionsError);
  });
});
