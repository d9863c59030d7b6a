import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { field, int16, int32, int64, nullableString, struct } from "../codec.ts";

/*
 * InitProducerIdRequest (0-5) => transactional_id transaction_timeout_ms producer_id[3+]
 *     producer_epoch[3+]
 * InitProducerIdResponse (0-5) => throttle_time_ms error_code producer_id producer_epoch
 * Source: https://kafka.apache.org/protocol#The_Messages_InitProducerId;
 * KIP-98, KIP-360 (epochs).
 */

const request = struct({
  transactionalId: nullableString,
  transactionTimeoutMs: int32,
  producerId: field(int64, { since: 3, absent: -1 }),
  producerEpoch: field(int16, { since: 3, absent: -1 }),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  errorCode: int16,
  producerId: field(int64, { absent: -1 }),
  producerEpoch: int16,
});

/** API 22: an idempotent or transactional producer gets its id. */
export const initProducerId = defineApi({
  key: 22,
  name: "InitProducerId",
  minVersion: 0,
  maxVersion: 5,
  flexibleSince: 2,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode, producerEpoch: -1 }),
});

/** The request of InitProducerId. */
export type InitProducerIdRequest = RequestOf<typeof initProducerId>;
/** The response of InitProducerId, as it is given to be written. */
export type InitProducerIdResponse = ResponseOf<typeof initProducerId>;
