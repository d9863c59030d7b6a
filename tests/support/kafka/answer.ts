import { createConnection } from "node:net";
import { Kafka, logLevel } from "kafkajs";

/**
 * Waits until a broker takes connections and its metadata names all the brokers of its cluster.
 *
 * @param bootstrapServer The broker to ask, and only that one: `host:port`.
 * @param options How many brokers must be there, how long to wait (milliseconds), and a signal that ends it early.
 * @throws {Error} When the time is over, with the last failure as its cause; or the signal's reason.
 */
export async function waitForAnswer(
  bootstrapServer: string,
  options: { brokers: number; timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    options.signal.throwIfAborted();
    const seen = await brokersSeenBy(bootstrapServer).catch((error: Error) => error);
    options.signal.throwIfAborted();
    if (typeof seen === "number" && seen >= options.brokers) return;
    if (Date.now() > deadline) {
      const failure = typeof seen === "number"
        ? `it sees ${seen} of ${options.brokers} brokers`
        : seen.message;
      throw new Error(
        `Broker "${bootstrapServer}" did not answer in ${options.timeoutMs} ms: ${failure}`,
        { cause: seen },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function brokersSeenBy(bootstrapServer: string): Promise<number> {
  // A bare connection first: it costs next to nothing while the broker is still starting.
  await connect(bootstrapServer);
  const admin = new Kafka({
    clientId: "kafka-threads-tests",
    brokers: [bootstrapServer],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    retry: { retries: 0 },
  }).admin();
  try {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    return brokers.length;
  } finally {
    await admin.disconnect();
  }
}

function connect(bootstrapServer: string): Promise<void> {
  const [host, port] = bootstrapServer.split(":");
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: host!, port: Number(port) });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
  });
}
