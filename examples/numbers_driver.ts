// A driver is all that stands between the poller thread and where messages come from. This one has
// no Kafka behind it: its only partition holds the numbers from 0 to 999.
//
// It runs in the poller thread; examples/numbers.ts names it.
import type { CreateDriver } from "@kafka-threads/kafka-threads";

const createNumbers: CreateDriver = ({ topics: [topic = "numbers"], hooks }) => {
  let next = 0;
  let paused = false;
  hooks.assigned([{ topic, partition: 0, position: next }]);
  return {
    async poll(timeoutMs) {
      if (paused || next === 1_000) {
        await new Promise((resolve) => setTimeout(resolve, timeoutMs));
        return [];
      }
      const records = Array.from({ length: 100 }, () => ({ offset: next, value: `${next++}` }));
      return [{ topic, partition: 0, records, endOffset: 1_000 }];
    },
    commit: () => Promise.resolve(),
    pause: () => void (paused = true),
    resume: () => void (paused = false),
    close: () => Promise.resolve(),
  };
};

export default createNumbers;
