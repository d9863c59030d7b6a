/** What the server looks after. */

import type { Consumer } from "../consumer.ts";
import type { ThreadManager } from "../thread_manager.ts";

/** A consumer of either kind, whose health, figures and metrics are served. */
export type Monitored = Consumer | ThreadManager;
