import { SASL_USER } from "./sasl.ts";

/** The ports of one broker, all on 127.0.0.1. */
export interface BrokerPorts {
  plaintext: number;
  controller: number;
  tls?: number;
  sasl?: number;
}

/** What {@linkcode serverProperties} takes. */
export interface PropertiesOptions {
  /** The number of this broker, from 1. */
  nodeId: number;
  /** The ports of all the brokers, in the order of their numbers. */
  ports: BrokerPorts[];
  /** Where the log segments go. */
  dataFolder: string;
  /** The PEM files of the TLS listener: key and certificate in one, and the authority. */
  tls?: { keyStore: string; trustStore: string };
  /** The user's own settings; they win. */
  config?: Record<string, string>;
}

/**
 * Writes the `server.properties` of one broker, which is a controller too (KRaft, combined mode).
 *
 * @param options Who it is and where its neighbours are.
 * @returns The text of the file.
 */
export function serverProperties(options: PropertiesOptions): string {
  const { nodeId, ports, tls } = options;
  const own = ports[nodeId - 1];
  if (own === undefined) throw new Error(`Cannot configure broker "${nodeId}": it has no ports`);
  // 127.0.0.1 and never localhost: that may be IPv6 first, where nobody listens.
  const advertised = [`PLAINTEXT://127.0.0.1:${own.plaintext}`];
  if (own.tls !== undefined) advertised.push(`SSL://127.0.0.1:${own.tls}`);
  if (own.sasl !== undefined) advertised.push(`SASL_PLAINTEXT://127.0.0.1:${own.sasl}`);

  const settings: Record<string, string> = {
    "process.roles": "broker,controller",
    "node.id": `${nodeId}`,
    "controller.quorum.voters": ports
      .map(({ controller }, index) => `${index + 1}@127.0.0.1:${controller}`).join(","),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listeners": [...advertised, `CONTROLLER://127.0.0.1:${own.controller}`].join(","),
    "advertised.listeners": advertised.join(","),
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
    "log.dirs": options.dataFolder,

    // Small, quick and without surprises.
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.retention.ms": "-1",
    "log.cleaner.dedupe.buffer.size": `${16 * 1024 * 1024}`,
    // A killed broker is found out soon; it is not let back in before that.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "300",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
  };
  if (tls) {
    Object.assign(settings, {
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": tls.keyStore,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": tls.trustStore,
      // A client may come without a certificate, but not with a foreign one.
      "ssl.client.auth": "requested",
    });
  }
  if (own.sasl !== undefined) Object.assign(settings, saslSettings());
  Object.assign(settings, options.config);
  return Object.entries(settings).map(([key, value]) => `${key}=${value}\n`).join("");
}

function saslSettings(): Record<string, string> {
  const listener = "listener.name.sasl_plaintext";
  const security = "org.apache.kafka.common.security";
  return {
    [`${listener}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    [`${listener}.plain.sasl.jaas.config`]:
      `${security}.plain.PlainLoginModule required user_${SASL_USER.username}="${SASL_USER.password}";`,
    [`${listener}.scram-sha-256.sasl.jaas.config`]: `${security}.scram.ScramLoginModule required;`,
    [`${listener}.scram-sha-512.sasl.jaas.config`]: `${security}.scram.ScramLoginModule required;`,
    // Without further settings the broker takes unsecured tokens: see `unsecuredToken`.
    [`${listener}.oauthbearer.sasl.jaas.config`]:
      `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
  };
}
