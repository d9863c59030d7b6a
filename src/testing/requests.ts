import type { Buffer } from "node:buffer";
import type { Logger } from "../logger.ts";
import { answerFault } from "./answer.ts";
import type { ControlAction, Controls } from "./controls.ts";
import { BrokerError } from "./errors.ts";
import type { BrokerState, RequestContext } from "./handlers/handler.ts";
import { HANDLERS } from "./handlers/mod.ts";
import type { Connection } from "./network/connection.ts";
import type { AnyApi } from "./protocol/api.ts";
import { MalformedError } from "./protocol/codec.ts";
import { readRequest, type UnderstoodRequest, writeResponse } from "./protocol/envelope.ts";
import { ERROR, errorCodeOf } from "./protocol/error_codes.ts";
import type { ApiName } from "./protocol/api_name.ts";
import { APIS, supportedVersions } from "./protocol/registry.ts";
import type { SaslSession } from "./sasl/sasl_session.ts";

/** What the broker knows of a connection. */
export interface Session {
  readonly nodeId: number;
  readonly listener: string;
  /** There where the listener asks for authentication. */
  readonly sasl: SaslSession | undefined;
  /** The name that the client gave itself last. */
  clientId: string | null;
  /** What has been asked on it. */
  requests: number;
}

/** Reads requests, lets controls have their way, has them handled, and writes the answers. */
export class Requests {
  readonly #state: BrokerState;
  readonly #controls: Controls;
  readonly #log: Logger;

  /**
   * Makes what answers a broker's requests.
   *
   * @param state What the handlers work on.
   * @param controls Asked before each request.
   * @param log Told of connections that are closed, and why.
   */
  constructor(state: BrokerState, controls: Controls, log: Logger) {
    this.#state = state;
    this.#controls = controls;
    this.#log = log;
  }

  /**
   * Answers one request.
   *
   * @param connection Where it came from.
   * @param frame Its bytes, without the length.
   */
  async answer(connection: Connection<Session>, frame: Buffer): Promise<void> {
    const session = connection.session!;
    const request = this.#read(connection, frame);
    if (request === undefined) return;
    const { api, version, correlationId, clientId } = request;
    session.clientId = clientId;
    session.requests++;
    const { sasl } = session;
    if (sasl?.allows(api.key) === false) {
      return this.#refuse(connection, sasl.failure ?? `${api.name} before authentication`);
    }
    const action = await this.#control(connection, request);
    const { signal } = connection;
    if (action?.delayMs !== undefined && !await passes(action.delayMs, signal)) return;
    if (action?.hang) return await gone(signal);
    if (action?.drop === "request") return this.#drop(connection, api, "before");
    const body = await this.#answer(connection, request, action);
    if (action?.drop === "response") return this.#drop(connection, api, "after");
    if (body === null || body === undefined) return;
    await connection.write(writeResponse(api, version, correlationId, body));
    // It has been told; as in Kafka, there is no second try on the same connection.
    if (sasl?.state === "failed") this.#end(connection, sasl.failure ?? "it is not let in");
  }

  async #answer(
    connection: Connection<Session>,
    request: UnderstoodRequest,
    action: ControlAction | undefined,
  ): Promise<unknown> {
    const { api, version, body } = request;
    if (action?.answer !== undefined) {
      const fault = action.answer && answerFault(api, version, action.answer);
      if (fault === null) return action.answer;
      throw new BrokerError(
        "INVALID_CONTROL",
        `Cannot answer ${api.name}, version ${version}, with what a control gives: ${fault}`,
      );
    }
    const handler = HANDLERS.get(api.key)!;
    const context = this.#context(connection, request);
    if (action?.error !== undefined) {
      return handler.fail(body, errorCodeOf(action.error)!, context);
    }
    try {
      return await handler.handle(body, context);
    } catch (error) {
      // Nobody waits for it any more.
      if (context.gone.aborted) return null;
      throw error;
    }
  }

  #read(connection: Connection<Session>, frame: Buffer): UnderstoodRequest | undefined {
    let result;
    try {
      result = readRequest(frame);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#refuse(connection, error.message);
      return undefined;
    }
    if (result.kind === "request") return result;
    const { version, correlationId } = result;
    if (result.kind === "unknown api") {
      this.#refuse(connection, `API ${result.key}, version ${version}, is not spoken here`);
    } else if (result.api !== APIS.apiVersions) {
      const { name, minVersion, maxVersion } = result.api;
      this.#refuse(
        connection,
        `${name}, version ${version}, is not spoken here, ${minVersion} to ${maxVersion} are`,
      );
    } else {
      // KIP-511: who asks for versions in one that is unknown here learns which ones there are.
      const body = { errorCode: ERROR.UNSUPPORTED_VERSION, apiKeys: supportedVersions() };
      void connection.write(writeResponse(APIS.apiVersions, 0, correlationId, body));
    }
    return undefined;
  }

  async #control(
    connection: Connection<Session>,
    { api, version, clientId, body }: UnderstoodRequest,
  ): Promise<ControlAction | undefined> {
    const { nodeId } = connection.session!;
    const matchable = { apiKey: api.key, nodeId };
    if (!this.#controls.some(matchable)) return undefined;
    return await this.#controls.decide({
      ...matchable,
      api: api.name as ApiName,
      apiVersion: version,
      clientId,
      body: body as Record<string, unknown>,
    });
  }

  #context(
    connection: Connection<Session>,
    { version, clientId }: UnderstoodRequest,
  ): RequestContext {
    const { nodeId, listener, sasl } = connection.session!;
    return {
      state: this.#state,
      nodeId,
      listener,
      version,
      clientId,
      clientHost: `/${connection.remoteAddress}`,
      gone: connection.signal,
      sasl,
      hangUp: (reason) => this.#refuse(connection, reason),
    };
  }

  #drop(connection: Connection<Session>, api: AnyApi, when: string): void {
    this.#log.debug(`A control closes the connection ${when} ${api.name} is handled`, {
      connection: connection.name,
    });
    connection.destroy();
  }

  #refuse(connection: Connection<Session>, reason: string): void {
    this.#tell(connection, reason);
    connection.destroy();
  }

  /** As {@linkcode #refuse}, after what has been written has been sent. */
  #end(connection: Connection<Session>, reason: string): void {
    this.#tell(connection, reason);
    connection.end();
  }

  #tell(connection: Connection<Session>, reason: string): void {
    this.#log.warn(`Kafka broker closes the connection of ${connection.name}: ${reason}`, {
      clientId: connection.session?.clientId ?? null,
    });
  }
}

/** Waits until the client goes. */
function gone(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}

/** Waits, unless the client goes. */
function passes(ms: number, gone: AbortSignal): Promise<boolean> {
  if (gone.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (passed: boolean) => {
      clearTimeout(timer);
      gone.removeEventListener("abort", leave);
      resolve(passed);
    };
    const leave = () => end(false);
    const timer = setTimeout(() => end(true), ms);
    gone.addEventListener("abort", leave, { once: true });
  });
}
