import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import { array, bool, field, int16, int32, int64, string, struct } from "../codec.ts";

/*
 * ApiVersionsRequest (0-4) => client_software_name[3+] client_software_version[3+]
 * ApiVersionsResponse (0-4) => error_code [api_keys] throttle_time_ms[1+]
 *     [supported_features][3+]<tag 0> finalized_features_epoch[3+]<tag 1>
 *     [finalized_features][3+]<tag 2> zk_migration_ready[3+]<tag 3>
 *   api_keys => api_key min_version max_version
 *   supported_features => name min_version max_version
 *   finalized_features => name max_version_level min_version_level
 * Source: https://kafka.apache.org/protocol#The_Messages_ApiVersions;
 * KIP-511 (the client's software), KIP-584 (features).
 */

const request = struct({
  clientSoftwareName: field(string, { since: 3, absent: "" }),
  clientSoftwareVersion: field(string, { since: 3, absent: "" }),
});

const apiVersion = struct({
  apiKey: int16,
  minVersion: int16,
  maxVersion: int16,
});

const supportedFeatureKey = struct({
  name: string,
  minVersion: int16,
  maxVersion: int16,
});

const finalizedFeatureKey = struct({
  name: string,
  maxVersionLevel: int16,
  minVersionLevel: int16,
});

const response = struct({
  errorCode: int16,
  apiKeys: array(apiVersion),
  throttleTimeMs: field(int32, { since: 1, absent: 0 }),
  supportedFeatures: field(array(supportedFeatureKey), { since: 3, tag: 0, absent: [] }),
  finalizedFeaturesEpoch: field(int64, { since: 3, tag: 1, absent: -1 }),
  finalizedFeatures: field(array(finalizedFeatureKey), { since: 3, tag: 2, absent: [] }),
  zkMigrationReady: field(bool, { since: 3, tag: 3, absent: false }),
});

/** API 18: which APIs are spoken here, in which versions. */
export const apiVersions = defineApi({
  key: 18,
  name: "ApiVersions",
  minVersion: 0,
  maxVersion: 4,
  flexibleSince: 3,
  request,
  response,
  failure: (_, errorCode) => ({ errorCode, apiKeys: [] }),
});

/** The request of ApiVersions. */
export type ApiVersionsRequest = RequestOf<typeof apiVersions>;
/** The response of ApiVersions, as it is given to be written. */
export type ApiVersionsResponse = ResponseOf<typeof apiVersions>;
