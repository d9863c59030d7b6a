// A process with the broker of `./testing` in it: reads options and then orders from its standard
// input, as lines of JSON, and answers each with a line. It ends with its standard input.
import process from "node:process";
import { createInterface } from "node:readline";
import { BrokerError, KafkaBroker, type KafkaBrokerOptions } from "../../../src/testing/mod.ts";
import { freePortRange } from "../free_port.ts";

const PORT_ATTEMPTS = 5;

/** The first line: how to start. */
export interface EmbeddedStart {
  /** The broker's options, without ports. */
  options: KafkaBrokerOptions;
  /** The port of the first node; undefined: any free one. */
  port?: number;
}

/** The answer to the first line. */
export interface EmbeddedStarted {
  bootstrapServers: string;
  /** By name of a listener, `host:port,…`. */
  listeners: Record<string, string>;
}

/** Any further line: what to do to a node. */
export interface EmbeddedOrder {
  take: "up" | "down";
  nodeId: number;
}

/** An answer: what came of it, or why it failed. */
export type EmbeddedAnswer<T> = { ok: T } | { error: string };

let broker: KafkaBroker | undefined;

/** Starts the broker on ports that no other program takes while a node is down: see `freePorts`. */
async function start({ options, port }: EmbeddedStart): Promise<EmbeddedStarted> {
  const { nodes = 1, listeners = {} } = options;
  for (let attempt = 1;; attempt++) {
    try {
      broker = await KafkaBroker.start({
        ...options,
        port: port ?? await freePortRange(nodes),
        listeners: Object.fromEntries(
          await Promise.all(
            Object.entries(listeners).map(async ([name, listener]) =>
              [name, { ...listener, port: await freePortRange(nodes) }] as const
            ),
          ),
        ),
      });
      break;
    } catch (error) {
      // Somebody was quicker to take a port that had been free.
      const taken = BrokerError.is(error) && error.code === "PORT_TAKEN";
      if (!taken || port !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
  const of = (name: string) => [name, broker!.bootstrapServersOf(name)];
  return {
    bootstrapServers: broker.bootstrapServers,
    listeners: Object.fromEntries(Object.keys(listeners).map(of)),
  };
}

async function obey({ take, nodeId }: EmbeddedOrder): Promise<null> {
  await (take === "up" ? broker!.bringUp(nodeId) : broker!.takeDown(nodeId));
  return null;
}

const answer = (line: EmbeddedAnswer<unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`);

// Orders come one after the other: whoever gives them waits for the answer.
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const order = JSON.parse(line);
    (broker === undefined ? start(order) : obey(order)).then(
      (ok) => answer({ ok }),
      (error) => answer({ error: String(error?.message ?? error) }),
    );
  })
  .on("close", () => process.exit(0));
