import { ERROR } from "../protocol/error_codes.ts";
import { initProducerId as api } from "../protocol/messages/init_producer_id.ts";
import { type Handler, handler } from "./handler.ts";

const NO_ID = -1;

/** API 22: a producer id for idempotence (KIP-98). Transactions are not there. */
export const initProducerId: Handler = handler(api, (request, { state }) => {
  if (request.transactionalId !== null) return api.failure(request, ERROR.INVALID_REQUEST);
  // KIP-360: who has lost track of its sequences goes on with the next epoch.
  const again = request.producerId !== NO_ID && request.producerEpoch < 32_766;
  return {
    errorCode: ERROR.NONE,
    producerId: again ? request.producerId : state.newProducerId(),
    producerEpoch: again ? request.producerEpoch + 1 : 0,
  };
});
