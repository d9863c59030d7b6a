// Batches as they arrive from the poller.

import type { FromPoller } from "../../src/threads/messages.ts";
import { packRecords, tableOfRecords } from "../../src/threads/records.ts";

/** A batch message. */
export type BatchMessage = Extract<FromPoller, { type: "batch" }>;

/** A batch of `count` messages of topic `t`; offsets are even, values name their offsets. */
export function batchMessage(
  batch: number,
  { partition = 0, epoch = 1, from = 0, count }: {
    partition?: number;
    epoch?: number;
    from?: number;
    count: number;
  },
): BatchMessage {
  const records = Array.from({ length: count }, (_, index) => ({
    offset: from + index * 2,
    value: `value ${from + index * 2}`,
  }));
  return {
    type: "batch",
    batch,
    topic: "t",
    partition,
    epoch,
    records: packRecords(tableOfRecords(records, 0), 0, count),
  };
}
