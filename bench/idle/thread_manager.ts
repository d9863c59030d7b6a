/** An idle `ThreadManager`. */

import { ThreadManager } from "../../mod.ts";
import { idle } from "../support/idle.ts";
import { quietLogger } from "../support/quiet_logger.ts";

await idle(({ bootstrapServers, groupId, topic }) =>
  new ThreadManager({
    consumer: { bootstrapServers, groupId, topics: [topic] },
    lifetimeMs: null,
    logger: quietLogger,
    onMessage: () => {},
  })
);
