/**
 * The worker that runs a handler module. It is an entry of its own so that bundlers and compilers can
 * find it: hand its address over as `workers.handler`.
 *
 * @module
 */

import { serveHandlers } from "../src/handler_thread/main.ts";
import { workerChannel } from "../src/threads/worker_channel.ts";
import type { FromHandlerThread, ToHandlerThread } from "../src/threads/work.ts";

serveHandlers(workerChannel<ToHandlerThread, FromHandlerThread>());
