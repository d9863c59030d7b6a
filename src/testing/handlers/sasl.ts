import { ERROR } from "../protocol/error_codes.ts";
import { saslAuthenticate as authenticateApi } from "../protocol/messages/sasl_authenticate.ts";
import { saslHandshake as handshakeApi } from "../protocol/messages/sasl_handshake.ts";
import { type Handler, handler } from "./handler.ts";

/** API 17: the client names its mechanism. */
export const saslHandshake: Handler = handler(handshakeApi, (request, { sasl }) => {
  if (sasl === undefined) return { errorCode: ERROR.ILLEGAL_SASL_STATE, mechanisms: [] };
  return sasl.handshake(request.mechanism);
});

/** API 36: one step of the mechanism. */
export const saslAuthenticate: Handler = handler(authenticateApi, async (request, { sasl }) => {
  if (sasl === undefined) {
    return authenticateApi.failure(request, ERROR.ILLEGAL_SASL_STATE);
  }
  const { errorCode, errorMessage, authBytes } = await sasl.authenticate(request.authBytes);
  return { errorCode, errorMessage, authBytes, sessionLifetimeMs: 0 };
});
