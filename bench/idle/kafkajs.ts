/** An idle kafkajs consumer, untouched. */

import { quietClient } from "../support/client.ts";
import { idle } from "../support/idle.ts";

await idle(({ bootstrapServers, groupId, topic }) => {
  const consumer = quietClient(bootstrapServers).consumer({ groupId });
  return {
    async start() {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic] });
      await consumer.run({ eachMessage: () => Promise.resolve() });
    },
    stop: () => consumer.disconnect(),
  };
});
