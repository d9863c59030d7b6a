/**
 * The worker that polls Kafka. It is an entry of its own so that bundlers and compilers can find it:
 * hand its address over as `workers.poller`.
 *
 * @module
 */

import { servePoller } from "../src/poller/main.ts";
import type { FromPoller, ToPoller } from "../src/threads/messages.ts";
import { workerChannel } from "../src/threads/worker_channel.ts";

servePoller(workerChannel<ToPoller, FromPoller>());
