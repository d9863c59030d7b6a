/** `ThreadManager`: kafkajs in the poller thread, the callback on the program's thread. */

import { ThreadManager } from "../../mod.ts";
import { compete } from "../support/contestant.ts";
import { quietLogger } from "../support/quiet_logger.ts";

await compete(({ bootstrapServers, groupId, topic, work }, recorder) => {
  const manager = new ThreadManager({
    consumer: { bootstrapServers, groupId, topics: [topic], startFrom: "earliest" },
    lifetimeMs: null,
    commit: "auto",
    logger: quietLogger,
    onMessage: work === "json"
      ? (message) => {
        recorder.add(message.json<{ n: number }>()!.n);
        recorder.message(message.partition, message.offset);
      }
      : (message) => recorder.message(message.partition, message.offset),
  });
  return {
    start: async () => void await manager.start(),
    stop: () => manager.stop(),
    ended: () => manager.closed,
  };
});
