import type { SaslAccess } from "./sasl.ts";

/** What a Kafka for tests is made of. */
export interface KafkaClusterOptions {
  /** How many brokers, all of them controllers too; default 1. */
  brokers?: 1 | 3;
  /** Adds a TLS listener; default false. */
  tls?: boolean;
  /** Adds a SASL_PLAINTEXT listener; default false. */
  sasl?: boolean;
  /** Further lines of `server.properties`; they win over the defaults. */
  config?: Record<string, string>;
  /** The port of the first broker's PLAINTEXT listener; default any free one. */
  port?: number;
}

/** What a client needs on the TLS listener, as PEM text. */
export interface TlsAccess {
  /** The TLS listeners, `host:port,…`. */
  bootstrapServers: string;
  ca: string;
  /** A certificate that the brokers trust; they ask for one and do not insist. */
  clientCert: string;
  clientKey: string;
}

/** A running Kafka, of this library or Apache's. */
export interface KafkaCluster extends AsyncDisposable {
  /** The PLAINTEXT listeners, `host:port,…`. */
  readonly bootstrapServers: string;
  readonly brokers: readonly KafkaTestBroker[];
  /** There if TLS was asked for. */
  readonly tls: TlsAccess | undefined;
  /** There if SASL was asked for. */
  readonly sasl: SaslAccess | undefined;
  /** Ends it, and leaves nothing behind. */
  stop(): Promise<void>;
}

/** One broker of a {@linkcode KafkaCluster}. */
export interface KafkaTestBroker {
  /** Its `node.id`, from 1. */
  readonly nodeId: number;
  /** Its PLAINTEXT listener, `host:port`. */
  readonly bootstrapServer: string;
  /** Whether it runs. */
  readonly isUp: boolean;
  /** Gone as by a power cut; resolves when it is. Does nothing when it is down. */
  kill(): Promise<void>;
  /** Shut down in good order; resolves when it is gone. Does nothing when it is down. */
  stop(): Promise<void>;
  /** Starts it again, on the same ports and data; resolves when it answers. */
  start(): Promise<void>;
  /** SIGSTOP: its process stands still, its connections stay open. */
  pause(): void;
  /** SIGCONT: goes on after {@linkcode pause}. */
  resume(): void;
}
