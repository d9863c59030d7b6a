/**
 * What differs between the HTTP servers of Deno, Bun and Node, in one place.
 *
 * Nothing here imports a Node built-in, and `@hono/node-server` is loaded where it is needed.
 */

import { KafkaThreadsError } from "../errors.ts";

/** How long requests under way may take when the server closes. */
const CLOSE_LIMIT_MS = 1_000;
/** How long the server may take to close when no request is waited for any more, and when all is cut. */
const LAST_CHANCE_MS = 250;

/** Answers requests. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** Where to listen. */
export interface ListenOptions {
  /** Name or address of this machine; IPv6 addresses with or without brackets. */
  hostname: string;
  /** Port; 0: one that is free. */
  port: number;
}

/** A server that listens. */
export interface Listening {
  /** The name or address it was given, without brackets. */
  readonly hostname: string;
  /** The port it has got. */
  readonly port: number;
  /** Where it can be reached from this machine: `http://localhost:9090/`. */
  readonly url: string;
  /** Lets requests under way finish, for a second at most, and closes every connection. Never rejects. */
  close(): Promise<void>;
}

/** A server of one runtime. */
interface Server {
  readonly port: number;
  /** Takes no more connections, closes those that are idle, and resolves when the others are done. */
  drain(): Promise<unknown>;
  /** Closes every connection that is left; `drain` resolves. */
  cut(): unknown;
}

/**
 * Listens on this runtime's own server.
 *
 * @param handler Answers requests.
 * @param options Where to listen.
 * @returns The server, when it listens.
 * @throws {KafkaThreadsError} With code `ADDRESS_IN_USE` where the port is taken, `LISTEN_FAILED` where
 * it may not be used, or there is no such host, and `NO_SERVER` where the host has no server.
 */
export async function listen(handler: FetchHandler, options: ListenOptions): Promise<Listening> {
  const hostname = options.hostname.replace(/^\[(.*)\]$/, "$1");
  const name = hostname.includes(":") ? `[${hostname}]` : hostname;
  const pending = new PendingRequests(handler);
  let server: Server;
  try {
    server = await start(pending.handler, { hostname, port: options.port });
  } catch (cause) {
    throw explain(cause, `${name}:${options.port}`);
  }
  // What listens on all addresses can be reached by the machine's own name.
  const reachable = hostname === "0.0.0.0" || hostname === "::" ? "localhost" : name;
  let closing: Promise<void> | undefined;
  return {
    hostname,
    port: server.port,
    url: `http://${reachable}:${server.port}/`,
    close: () => closing ??= close(server, pending),
  };
}

function start(handler: FetchHandler, options: ListenOptions): Promise<Server> | Server {
  const { Deno, Bun, process } = globalThis as unknown as {
    Deno?: DenoServe;
    Bun?: BunServe;
    process?: { versions?: { node?: string } };
  };
  if (Deno?.serve !== undefined) return startDeno(Deno, handler, options);
  if (Bun?.serve !== undefined) return startBun(Bun, handler, options);
  if (process?.versions?.node !== undefined) return startNode(handler, options);
  throw new KafkaThreadsError(
    "Cannot listen: this host has no HTTP server; healthRoutes() makes an app to mount in the host's own",
    { code: "NO_SERVER" },
  );
}

async function close(server: Server, pending: PendingRequests): Promise<void> {
  pending.close();
  const drained = server.drain().then(() => {}, () => {});
  if (await isOver(drained, CLOSE_LIMIT_MS)) return;
  // Deno cuts no connection whose request has not been answered.
  pending.refuse();
  if (await isOver(drained, LAST_CHANCE_MS)) return;
  try {
    await server.cut();
  } catch {
    // It was about to be over anyway.
  }
  await isOver(drained, LAST_CHANCE_MS);
}

/** Requests that have not been answered. */
class PendingRequests {
  readonly #answers = new Set<(response: Response) => void>();
  #closing = false;
  /** Answers requests. */
  readonly handler: FetchHandler;

  constructor(handler: FetchHandler) {
    this.handler = (request) =>
      new Promise((resolve, reject) => {
        this.#answers.add(resolve);
        Promise.resolve(handler(request)).then((response) => resolve(this.#last(response)), reject)
          .finally(() => this.#answers.delete(resolve));
      });
  }

  /** From now on each answer is the last one of its connection: Node would keep it open for another request. */
  close(): void {
    this.#closing = true;
  }

  /** Answers all of them with 503. */
  refuse(): void {
    for (const answer of this.#answers) answer(this.#last(new Response(null, { status: 503 })));
  }

  #last(response: Response): Response {
    if (this.#closing) response.headers.set("connection", "close");
    return response;
  }
}

/** Whether something is over within so many milliseconds. */
async function isOver(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(resolve, ms, false));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

interface DenoServe {
  serve(
    options: ListenOptions & { signal: AbortSignal; onListen(): void },
    handler: FetchHandler,
  ): { addr: { port: number }; finished: Promise<void>; shutdown(): Promise<void> };
}

// https://docs.deno.com/api/deno/~/Deno.serve
function startDeno(Deno: DenoServe, handler: FetchHandler, options: ListenOptions): Server {
  const cut = new AbortController();
  const server = Deno.serve(
    // Without `onListen` it prints a line of its own.
    { ...options, signal: cut.signal, onListen: () => {} },
    (request) => handler(request),
  );
  return {
    port: server.addr.port,
    drain: () => server.shutdown(),
    // Only while it drains: aborted after that it throws "Bad resource ID" at the program (Deno 2.9).
    cut: () => cut.abort(),
  };
}

interface BunServe {
  serve(options: ListenOptions & { fetch: FetchHandler }): {
    port: number;
    stop(force: boolean): Promise<void>;
  };
  dns: { lookup(hostname: string): Promise<unknown> };
}

// https://bun.com/docs/api/http
async function startBun(
  Bun: BunServe,
  handler: FetchHandler,
  options: ListenOptions,
): Promise<Server> {
  let server: ReturnType<BunServe["serve"]>;
  try {
    server = Bun.serve({ ...options, fetch: (request) => handler(request) });
  } catch (error) {
    // For a name that does not exist it tells the error of whatever went wrong before (Bun 1.4).
    await Bun.dns.lookup(options.hostname);
    throw error;
  }
  return {
    port: server.port,
    drain: async () => {
      await server.stop(false);
      // A connection that has never sent a byte stays open even so (Bun 1.4), until it has been idle for ten
      // seconds; it does not keep the program alive.
      await server.stop(true);
    },
    cut: () => server.stop(true),
  };
}

interface NodeServer {
  listen(options: { host: string; port: number }, listening: () => void): unknown;
  once(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  address(): { port: number };
  close(closed: () => void): unknown;
  closeAllConnections(): void;
}

// https://github.com/honojs/node-server
async function startNode(
  handler: FetchHandler,
  { hostname, port }: ListenOptions,
): Promise<Server> {
  const { createAdaptorServer } = await import("@hono/node-server");
  const server = createAdaptorServer({
    fetch: (request) => handler(request as Request),
    // By default it replaces the program's own Request and Response.
    overrideGlobalObjects: false,
  }) as unknown as NodeServer;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: hostname, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: server.address().port,
    // Closes idle connections as well: https://nodejs.org/api/http.html#serverclosecallback
    drain: () => new Promise<void>((resolve) => server.close(resolve)),
    cut: () => server.closeAllConnections(),
  };
}

function explain(cause: unknown, address: string): unknown {
  if (KafkaThreadsError.is(cause)) return cause;
  const { code, message } = Object(cause) as { code?: unknown; message?: unknown };
  const text = String(message ?? cause);
  const taken = code === "EADDRINUSE";
  const because = taken
    ? "the port is taken by another program or listener"
    : describe(code, text) ?? text;
  return new KafkaThreadsError(`Cannot listen on "${address}": ${because}`, {
    code: taken ? "ADDRESS_IN_USE" : "LISTEN_FAILED",
    cause,
  });
}

function describe(code: unknown, text: string): string | undefined {
  switch (code) {
    case "EACCES":
      return "this user may not use the port";
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "DNS_ENOTFOUND": // Bun's own.
    case "EAI_AGAIN":
      return "this machine has no such name or address";
    default:
      // Deno 2.9 has no code for it.
      return text.startsWith("failed to lookup address")
        ? "this machine has no such name or address"
        : undefined;
  }
}
