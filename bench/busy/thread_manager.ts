/** A `ThreadManager` whose callback blocks the program's thread. */

import { ThreadManager } from "../../mod.ts";
import { busy } from "../support/busy.ts";
import { quietLogger } from "../support/quiet_logger.ts";

await busy((assignment, onMessage) => {
  const { bootstrapServers, groupId, topic, sessionTimeoutMs, heartbeatIntervalMs } = assignment;
  const manager = new ThreadManager({
    consumer: {
      bootstrapServers,
      groupId,
      topics: [topic],
      startFrom: "earliest",
      sessionTimeoutMs,
      heartbeatIntervalMs,
    },
    lifetimeMs: null,
    logger: quietLogger,
    onMessage: (message) => onMessage(message.offset),
  });
  return {
    start: () => manager.start(),
    async membership() {
      // Asks the thread, so that the figures are not those of before the block.
      await manager.health();
      const { heartbeatAgeMs, rebalances } = manager.stats();
      return {
        heartbeatAt: heartbeatAgeMs === null ? 0 : Date.now() - heartbeatAgeMs,
        rebalances,
      };
    },
    stop: () => manager.stop(),
  };
});
