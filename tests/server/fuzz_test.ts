// Odd requests: whatever is asked, there is an answer, and none that tells a secret.
import assert from "node:assert/strict";
import { Hono } from "hono";
import { after, before, describe, it } from "#std/testing/bdd";
import { healthRoutes } from "../../src/server/mod.ts";
import { calmConsumer, calmManager } from "./calm.ts";

const REQUESTS = 10_000;
/** Each request has its own, from this one on: a failure says which. */
const SEED = 20_261;

/** What is configured, or thrown, and must be in no answer. */
const SECRETS = {
  password: "hunter2-sasl-password",
  username: "sasl-user-name",
  key: "MIIEvTLSPRIVATEKEYBYTES",
  token: "eyJ-oauth-token",
  broker: "broker.secret.example",
  driverOption: "driver-option-value",
  thrown: "thrown-by-health-check",
  thrownCode: "code with a thrown secret",
} as const;

const pem = `-----BEGIN PRIVATE KEY-----\n${SECRETS.key}\n-----END PRIVATE KEY-----`;
const failing = (): never => {
  throw Object.assign(new Error(`${SECRETS.thrown} at ${SECRETS.broker}`), {
    code: SECRETS.thrownCode,
    cause: new Error(SECRETS.thrown),
  });
};

describe("the routes", () => {
  const orders = calmConsumer("orders", {
    count: 5,
    ssl: { ca: pem, cert: pem, key: pem },
    sasl: { mechanism: "plain", username: SECRETS.username, password: SECRETS.password },
    healthCheck: failing,
    driverOptions: { count: 5, value: SECRETS.driverOption },
  });
  const failed = calmConsumer("failed", {
    count: 1,
    handler: failing,
    sasl: { mechanism: "oauthbearer", token: () => Promise.resolve(SECRETS.token) },
  });
  const audit = calmManager("audit");
  const consumers = [orders, failed, audit];
  const own = new Hono();
  own.route("/internal", healthRoutes(consumers));
  const apps = [healthRoutes(consumers), own, healthRoutes(consumers, { metrics: false })];

  before(async () => {
    const ended = failed.closed.catch(() => {});
    await Promise.all([orders.start(), audit.start(), failed.start().catch(() => {})]);
    await ended;
  });
  after(async () => {
    await Promise.all(consumers.map((one) => one.stop()));
  });

  it(
    `answer ${REQUESTS} odd requests, by none of which they break or tell a secret`,
    { timeout: 60_000 },
    async () => {
      const names = consumers.map(({ name }) => name);
      const statuses = new Map<number, number>();
      for (let round = 0; round < REQUESTS; round++) {
        const random = generator(SEED + round);
        const request = oddRequest(random, names);
        const what = `seed ${SEED + round}: ${request.method} ${request.url.slice(0, 200)}`;
        const response = await apps[round % apps.length]!.fetch(request);
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        assert([200, 400, 404, 405, 503].includes(response.status), `${response.status}, ${what}`);
        const headers = JSON.stringify([...response.headers]);
        const text = await response.text();
        if (request.method === "HEAD") assert.equal(text, "", what);
        for (const [name, secret] of Object.entries(SECRETS)) {
          assert(!`${headers}${text}`.includes(secret), `it tells the ${name}; ${what}`);
        }
        assert(!/\bat .*:\d+:\d+/.test(text), `it tells a stack trace; ${what}`);
        assert(text.length < 100_000, `${text.length} characters; ${what}`);
        const type = response.headers.get("content-type") ?? "";
        if (type.startsWith("application/json") && text !== "") JSON.parse(text);
      }
      // Each kind of answer was there: the requests are not merely odd.
      for (const status of [200, 400, 404, 405, 503]) {
        assert((statuses.get(status) ?? 0) > 50, `${status}: ${statuses.get(status)} times`);
      }
    },
  );

  it("have these secrets to tell, where they are told to", async () => {
    const loud = healthRoutes(consumers, { exposeErrors: true });
    const text = await (await loud.request("/health")).text();
    assert(text.includes(SECRETS.thrown) && text.includes(SECRETS.broker));
  });
});

type Random = () => number;

/** Numbers from 0 to 1: the same for the same seed (mulberry32). */
function generator(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PATHS = [
  "/health",
  "/health/live",
  "/health/ready",
  "/health/started",
  "/status",
  "/status/",
  "/metrics",
];
const METHODS = ["GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"];
const ODD = [
  "",
  "/",
  "..",
  "%2e%2e%2f",
  "%",
  "%zz",
  "%E0%A4%A",
  "%00",
  "%0d%0aset-cookie:x=1",
  "__proto__",
  "constructor",
  "toString",
  "consumer",
  "Ünïcödé✓",
  "😀",
  "\ud800",
  "<script>",
  "' or 1=1 --",
  "${jndi:ldap://x}",
  "*",
  ":consumer",
  "null",
  "-1",
  "1e309",
  "a=b&c",
  "[]",
  "#",
];

function oddRequest(random: Random, names: readonly string[]): Request {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const often = (share: number) => random() < share;
  const odd = () => {
    const text = often(0.3) ? pick(names) : often(0.8) ? pick(ODD) : noise(random);
    return often(0.1) ? text.repeat(1 + Math.floor(random() * 200)) : text;
  };
  const encode = (text: string) => {
    if (often(0.3)) return text;
    // encodeURIComponent() throws at half a character.
    return encodeURIComponent(text.toWellFormed());
  };
  let path = often(0.85) ? pick(PATHS) : `/${encode(odd())}`;
  if (path === "/status/" || often(0.1)) path += encode(odd());
  if (often(0.05)) path = path.toUpperCase();
  if (often(0.5)) path = `/internal${path}`;
  const parameters: string[] = [];
  while (often(0.4) && parameters.length < 5) {
    parameters.push(`${often(0.6) ? "consumer" : encode(odd())}=${encode(odd())}`);
  }
  const query = parameters.length > 0 ? `?${parameters.join(pick(["&", "&", ";"]))}` : "";
  const headers = new Headers();
  while (often(0.3)) {
    const name = pick([
      "accept",
      "x-forwarded-host",
      "authorization",
      "x-http-method-override",
      "content-length",
      "range",
      "if-none-match",
      "x-odd",
    ]);
    try {
      headers.append(name, odd().slice(0, 2_000));
    } catch {
      // Not every text can be a header.
    }
  }
  const method = pick(METHODS);
  const body = method !== "GET" && method !== "HEAD" && often(0.5)
    ? "x".repeat(Math.floor(random() * 3) * 10_000)
    : null;
  return new Request(`http://localhost:9090${path}${query}`, { method, headers, body });
}

function noise(random: Random): string {
  const length = Math.floor(random() * 40);
  return String.fromCharCode(...Array.from({ length }, () => Math.floor(random() * 0x10000)));
}
