import { ERROR } from "../protocol/error_codes.ts";
import { initProducerId as api } from "../protocol/messages/init_producer_id.ts";
import { type Handler, handler } from "./handler.ts";

/**
 * API 22: a producer id for idempotence (KIP-98). As in Kafka, one that has no transactions always gets
 * a new id; it counts its epochs itself (KIP-360). Transactions are not there.
 */
export const initProducerId: Handler = handler(api, (request, { state }) => {
  if (request.transactionalId !== null) return api.failure(request, ERROR.INVALID_REQUEST);
  return { errorCode: ERROR.NONE, producerId: state.newProducerId(), producerEpoch: 0 };
});
