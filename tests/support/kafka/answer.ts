import { createConnection } from "node:net";
import { withAdmin } from "./client.ts";

/**
 * Waits until a broker takes connections and its metadata names certain brokers of its cluster.
 *
 * @param bootstrapServer The broker to ask, and only that one: `host:port`.
 * @param options Which cluster it must be and which brokers must be there, how long to wait (milliseconds), and a signal that ends it early.
 * @throws {Error} When the time is over, with the last failure as its cause; or the signal's reason.
 */
export async function waitForAnswer(
  bootstrapServer: string,
  options: { clusterId: string; nodeIds: number[]; timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    options.signal.throwIfAborted();
    const seen = await brokersSeenBy(bootstrapServer, options.clusterId).catch((error: Error) =>
      error
    );
    options.signal.throwIfAborted();
    const missing = seen instanceof Error
      ? options.nodeIds
      : options.nodeIds.filter((id) => !seen.includes(id));
    if (missing.length === 0) return;
    if (Date.now() > deadline) {
      const failure = seen instanceof Error ? seen.message : `it does not see broker ${missing}`;
      throw new Error(
        `Broker "${bootstrapServer}" did not answer in ${options.timeoutMs} ms: ${failure}`,
        { cause: seen },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function brokersSeenBy(bootstrapServer: string, clusterId: string): Promise<number[]> {
  // A bare connection first: it costs next to nothing while the broker is still starting.
  await connect(bootstrapServer);
  const seen = await withAdmin(bootstrapServer, (admin) => admin.describeCluster(), {
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    retry: { retries: 0 },
  });
  // Whoever was quicker to take the port may be a Kafka too, while ours is about to fail on it.
  if (seen.clusterId !== clusterId) throw new Error(`it belongs to cluster "${seen.clusterId}"`);
  return seen.brokers.map(({ nodeId }) => nodeId);
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
