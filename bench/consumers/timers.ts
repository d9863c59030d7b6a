/**
 * What the runtime's own timers give: as many waits as there are messages, so many of them at once,
 * without Kafka and without a consumer. Timers come late by up to a millisecond, so that nothing that
 * runs on them reaches the ideal.
 */

import { setTimeout } from "node:timers";
import { createCounter, measure, readAssignment } from "./measure.ts";

const { messages, concurrency = 1, handlerMs } = readAssignment();
const counter = createCounter(messages);
let next = 0;
const handleNext = (): void => {
  if (next === messages) return;
  const n = next++;
  counter.begin();
  setTimeout(() => {
    counter.end(n);
    handleNext();
  }, handlerMs);
};
await measure({
  start() {
    for (let index = 0; index < concurrency; index++) handleNext();
    return Promise.resolve();
  },
  stop: () => Promise.resolve(),
  closed: new Promise(() => {}),
}, counter);
