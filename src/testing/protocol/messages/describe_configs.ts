import { defineApi, type RequestOf, type ResponseOf } from "../api.ts";
import {
  array,
  bool,
  field,
  int16,
  int32,
  int8,
  nullableArray,
  nullableString,
  string,
  struct,
} from "../codec.ts";

/*
 * DescribeConfigsRequest (1-4) => [resources] include_synonyms include_documentation[3+]
 *   resources => resource_type resource_name [configuration_keys]
 * DescribeConfigsResponse (1-4) => throttle_time_ms [results]
 *   results => error_code error_message resource_type resource_name [configs]
 *     configs => name value read_only config_source is_sensitive [synonyms] config_type[3+]
 *         documentation[3+]
 *       synonyms => name value source
 * Source: https://kafka.apache.org/protocol#The_Messages_DescribeConfigs;
 * KIP-133, KIP-226 (synonyms), KIP-569 (documentation).
 */

const describeConfigsResource = struct({
  resourceType: int8,
  resourceName: string,
  configurationKeys: nullableArray(string),
});

const request = struct({
  resources: array(describeConfigsResource),
  includeSynonyms: field(bool, { absent: false }),
  includeDocumentation: field(bool, { since: 3, absent: false }),
});

const describeConfigsSynonym = struct({
  name: string,
  value: nullableString,
  source: int8,
});

const describeConfigsResourceResult = struct({
  name: string,
  value: nullableString,
  readOnly: bool,
  configSource: field(int8, { absent: -1 }),
  isSensitive: bool,
  synonyms: array(describeConfigsSynonym),
  configType: field(int8, { since: 3, absent: 0 }),
  documentation: field(nullableString, { since: 3, absent: null }),
});

const describeConfigsResult = struct({
  errorCode: int16,
  errorMessage: field(nullableString, { absent: null }),
  resourceType: int8,
  resourceName: string,
  configs: array(describeConfigsResourceResult),
});

const response = struct({
  throttleTimeMs: field(int32, { absent: 0 }),
  results: array(describeConfigsResult),
});

/** API 32: the configuration of topics, brokers or groups. */
export const describeConfigs = defineApi({
  key: 32,
  name: "DescribeConfigs",
  minVersion: 1,
  maxVersion: 4,
  flexibleSince: 4,
  request,
  response,
  failure: ({ resources }, errorCode) => ({
    results: resources.map(({ resourceType, resourceName }) => ({
      errorCode,
      resourceType,
      resourceName,
      configs: [],
    })),
  }),
});

/** The request of DescribeConfigs. */
export type DescribeConfigsRequest = RequestOf<typeof describeConfigs>;
/** The response of DescribeConfigs, as it is given to be written. */
export type DescribeConfigsResponse = ResponseOf<typeof describeConfigs>;
