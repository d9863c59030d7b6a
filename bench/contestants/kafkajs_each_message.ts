/** Raw kafkajs, `eachMessage`: what most programs use. */

import { quietClient } from "../support/client.ts";
import { compete } from "../support/contestant.ts";

await compete(({ bootstrapServers, groupId, topic, work }, recorder) => {
  const consumer = quietClient(bootstrapServers).consumer({ groupId });
  return {
    async start() {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        partitionsConsumedConcurrently: 1,
        // As often as ThreadManager commits; by default kafkajs would commit after every batch.
        autoCommitInterval: 5_000,
        eachMessage: ({ partition, message }) => {
          if (work === "json") recorder.add(JSON.parse(message.value!.toString()).n);
          recorder.message(partition, Number(message.offset));
          return Promise.resolve();
        },
      });
    },
    stop: () => consumer.disconnect(),
  };
});
