import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { bytes, field, int16, int64, NO_BYTES, nullableString, struct } from "../codec.ts";

/*
 * SaslAuthenticateRequest (0-2) => auth_bytes
 * SaslAuthenticateResponse (0-2) => error_code error_message auth_bytes session_lifetime_ms[1+]
 * Source: https://kafka.apache.org/protocol#The_Messages_SaslAuthenticate;
 * KIP-152, KIP-368 (session lifetime).
 */

const request = struct({
  authBytes: bytes,
});

const response = struct({
  errorCode: int16,
  errorMessage: field(nullableString, { absent: null }),
  authBytes: bytes,
  sessionLifetimeMs: field(int64, { since: 1, absent: 0 }),
});

/** API 36: one step of a SASL mechanism. */
export const saslAuthenticate = defineApi({
  key: 36,
  name: "SaslAuthenticate",
  minVersion: 0,
  maxVersion: 2,
  flexibleSince: 2,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode, authBytes: NO_BYTES }),
});

/** The request of SaslAuthenticate. */
export type SaslAuthenticateRequest = RequestOf<typeof saslAuthenticate>;
/** The response of SaslAuthenticate, as it is given to be written. */
export type SaslAuthenticateResponse = ResponseOf<typeof saslAuthenticate>;
