import { SETTING_SOURCE } from "../cluster/topic_config.ts";
import { ERROR } from "../protocol/error_codes.ts";
import { describeCluster as describeClusterApi } from "../protocol/messages/describe_cluster.ts";
import { describeConfigs as describeConfigsApi } from "../protocol/messages/describe_configs.ts";
import { type Handler, handler, type RequestContext } from "./handler.ts";

/** The kinds of things that have settings, in the protocol's numbers. */
const TOPIC = 2;
const BROKER = 4;
const NOT_ASKED = -2147483648;

/** API 32: the settings of topics, and those few of a broker that clients ask for. */
export const describeConfigs: Handler = handler(describeConfigsApi, (request, context) => ({
  results: request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
    const found = resourceType === TOPIC
      ? topicSettings(resourceName, context)
      : resourceType === BROKER
      ? brokerSettings(resourceName, context)
      : ERROR.INVALID_REQUEST;
    const settings = typeof found === "number" ? [] : found;
    return {
      errorCode: typeof found === "number" ? found : ERROR.NONE,
      errorMessage: typeof found === "number" ? "There is no such resource here." : null,
      resourceType,
      resourceName,
      configs: settings
        .filter(({ name }) => isAsked(configurationKeys, name))
        .map(({ name, value, isDefault, type }) => ({
          name,
          value,
          readOnly: resourceType === BROKER,
          isDefault,
          configSource: isDefault ? SETTING_SOURCE.DEFAULT : SETTING_SOURCE.TOPIC,
          isSensitive: false,
          synonyms: [],
          configType: type,
          documentation: null,
        })),
    };
  }),
}));

/** As Kafka has it, an empty list asks for all, too. */
function isAsked(names: readonly string[] | null, name: string): boolean {
  return names === null || names.length === 0 || names.includes(name);
}

function topicSettings(name: string, { state }: RequestContext) {
  return state.cluster.topic(name)?.config.settings() ?? ERROR.UNKNOWN_TOPIC_OR_PARTITION;
}

function brokerSettings(name: string, { state, nodeId }: RequestContext) {
  // A broker answers for itself; no name means the whole cluster's defaults.
  if (name !== "" && name !== `${nodeId}`) return ERROR.INVALID_REQUEST;
  const setting = (name: string, value: string, type: number) => ({
    name,
    value,
    type,
    isDefault: true,
  });
  return [
    setting("auto.create.topics.enable", `${state.autoCreateTopics}`, 1),
    setting("num.partitions", `${state.cluster.defaultPartitions}`, 3),
    setting("default.replication.factor", `${state.cluster.nodes.length}`, 3),
    setting("offset.metadata.max.bytes", "4096", 3),
  ];
}

/** API 60: which nodes there are (KIP-700). */
export const describeCluster: Handler = handler(
  describeClusterApi,
  (request, { state, listener }) => ({
    errorCode: ERROR.NONE,
    errorMessage: null,
    endpointType: request.endpointType,
    clusterId: state.cluster.clusterId,
    controllerId: state.cluster.controllerId,
    brokers: state.cluster.nodes.filter(({ up }) => up).map(({ id }) => ({
      brokerId: id,
      ...state.address(id, listener),
      rack: null,
    })),
    clusterAuthorizedOperations: NOT_ASKED,
  }),
);
