import type { Cluster } from "../cluster/cluster.ts";
import type { GroupCoordinator } from "../groups/group_coordinator.ts";
import type { AnyApi, RequestOf, ResponseOf } from "../protocol/api.ts";
import type { SaslSession } from "../sasl/sasl_session.ts";

/** What all handlers work on. */
export interface BrokerState {
  readonly cluster: Cluster;
  readonly groups: GroupCoordinator;
  /** Whether asking for a topic, or producing to it, makes it. */
  readonly autoCreateTopics: boolean;
  /** The time in milliseconds. */
  now(): number;
  /** A producer id that nobody has. */
  newProducerId(): number;
  /** Where clients find a node: on the listener that they asked on. */
  address(nodeId: number, listener: string): { host: string; port: number };
  /** Tells those who wait for something that something has changed, and sets the groups' timer anew. */
  changed(): void;
}

/** Who asks, and where. */
export interface RequestContext {
  readonly state: BrokerState;
  /** The node that was asked. */
  readonly nodeId: number;
  /** The listener that it was asked on. */
  readonly listener: string;
  readonly version: number;
  readonly clientId: string | null;
  readonly clientHost: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
  /** There on listeners that ask for authentication. */
  readonly sasl: SaslSession | undefined;
  /** Closes the connection, as Kafka does where it cannot tell otherwise that something is wrong. */
  hangUp(reason: string): void;
}

/** Answers the requests of one API; null: there is no answer. */
export type Handle<A extends AnyApi> = (
  request: RequestOf<A>,
  context: RequestContext,
) => ResponseOf<A> | null | Promise<ResponseOf<A> | null>;

/** Makes the answer of a request that fails as a whole. */
export type Fail<A extends AnyApi> = (
  request: RequestOf<A>,
  errorCode: number,
  context: RequestContext,
) => ResponseOf<A> | null;

/** An API and who answers it. */
export interface Handler {
  readonly api: AnyApi;
  readonly handle: Handle<AnyApi>;
  readonly fail: Fail<AnyApi>;
}

/**
 * Puts an API and its handler together.
 *
 * @param api The API.
 * @param handle Answers it.
 * @param fail Answers it with an error. Default: as its messages can say it.
 * @returns Both.
 */
export function handler<A extends AnyApi>(
  api: A,
  handle: Handle<A>,
  fail: Fail<A> = (request, errorCode) => api.failure(request, errorCode),
): Handler {
  return { api, handle: handle as Handle<AnyApi>, fail: fail as Fail<AnyApi> };
}
