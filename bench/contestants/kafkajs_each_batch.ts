/** Raw kafkajs, `eachBatch`: the fastest that kafkajs can do, and what the others are compared to. */

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
        eachBatch: ({ batch }) => {
          const { messages, partition } = batch;
          if (messages.length === 0) return Promise.resolve();
          recorder.spanBegins();
          let count = 0;
          if (work === "json") {
            for (const message of messages) {
              recorder.add(JSON.parse(message.value!.toString()).n);
              count++;
            }
          } else {
            for (const _ of messages) count++;
          }
          // Both ends and the count are checked, not each offset: kafkajs gives offsets as text, and
          // making a number of each would be a cost that a program like this need not have.
          const first = Number(messages[0]!.offset);
          recorder.spanEnds(partition, first, Number(messages.at(-1)!.offset), count);
          return Promise.resolve();
        },
      });
    },
    stop: () => consumer.disconnect(),
  };
});
