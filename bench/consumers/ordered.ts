/** `createOrderedConsumer` with a trivial handler and a commit every 5 s. */

import { createOrderedConsumer } from "../../mod.ts";
import { createCounter, measure, readAssignment } from "./measure.ts";

const { kafka, messages } = readAssignment();
const counter = createCounter(messages);
await measure(
  createOrderedConsumer<{ n: number }>({
    ...kafka,
    commit: { intervalMs: 5_000 },
    handler: (_context, data) => {
      counter.begin();
      counter.end(data.n);
    },
  }),
  counter,
);
