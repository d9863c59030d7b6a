/** A kafkajs consumer whose handler blocks the thread. */

import { busy } from "../support/busy.ts";
import { quietClient } from "../support/client.ts";

await busy((assignment, onMessage) => {
  const { bootstrapServers, groupId, topic, sessionTimeoutMs, heartbeatIntervalMs } = assignment;
  const consumer = quietClient(bootstrapServers).consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatIntervalMs,
  });
  let heartbeatAt = 0;
  let joins = 0;
  consumer.on(consumer.events.HEARTBEAT, ({ timestamp }) => heartbeatAt = timestamp);
  consumer.on(consumer.events.GROUP_JOIN, ({ timestamp }) => {
    joins++;
    // The group takes a join for a sign of life too.
    heartbeatAt = timestamp;
  });
  return {
    async start() {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        eachMessage: ({ message }) => {
          onMessage(Number(message.offset));
          return Promise.resolve();
        },
      });
    },
    membership: () => Promise.resolve({ heartbeatAt, rebalances: joins - 1 }),
    stop: () => consumer.disconnect(),
  };
});
