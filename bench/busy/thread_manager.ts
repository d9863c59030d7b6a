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
      const stats = await manager.stats();
      return { heartbeatAt: stats.heartbeatAt, rebalances: stats.rebalances };
    },
    stop: () => manager.stop(),
  };
});
