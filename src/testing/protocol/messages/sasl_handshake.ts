import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, int16, string, struct } from "../codec.ts";

/*
 * SaslHandshakeRequest (0-1) => mechanism
 * SaslHandshakeResponse (0-1) => error_code [mechanisms]
 * Source: https://kafka.apache.org/protocol#The_Messages_SaslHandshake;
 * KIP-43; KIP-152 (what follows is SaslAuthenticate from version 1 on).
 */

const request = struct({
  mechanism: string,
});

const response = struct({
  errorCode: int16,
  mechanisms: array(string),
});

/** API 17: a client names its SASL mechanism. */
export const saslHandshake = defineApi({
  key: 17,
  name: "SaslHandshake",
  // After version 0 the client sends bare tokens, without a request around them (KIP-152), which are not
  // spoken here. It is offered all the same: librdkafka takes a broker without it for one without SASL,
  // and then asks in version 1.
  minVersion: 1,
  offeredSince: 0,
  maxVersion: 1,
  flexibleSince: Infinity,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode, mechanisms: [] }),
});

/** The request of SaslHandshake. */
export type SaslHandshakeRequest = RequestOf<typeof saslHandshake>;
/** The response of SaslHandshake, as it is given to be written. */
export type SaslHandshakeResponse = ResponseOf<typeof saslHandshake>;
