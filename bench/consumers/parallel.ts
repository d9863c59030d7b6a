/** `createParallelConsumer` with a handler that is trivial, or waits for a timer. */

import { setTimeout } from "node:timers";
import { createParallelConsumer } from "../../mod.ts";
import { createCounter, measure, readAssignment } from "./measure.ts";

const { kafka, messages, order, concurrency, handlerMs } = readAssignment();
const counter = createCounter(messages);
await measure(
  createParallelConsumer<{ n: number }>({
    ...kafka,
    order,
    ...concurrency !== undefined && { maxConcurrency: concurrency },
    handler: handlerMs === 0
      ? (_context, data) => {
        counter.begin();
        counter.end(data.n);
      }
      : (_context, data) => {
        counter.begin();
        return new Promise<void>((resolve) => {
          setTimeout(() => {
            counter.end(data.n);
            resolve();
          }, handlerMs);
        });
      },
  }),
  counter,
);
