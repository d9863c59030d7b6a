// All the scenarios.
import type { Scenario } from "../scenario.ts";
import { groupScenarios } from "./groups.ts";
import { offsetScenarios } from "./offsets.ts";
import { recordScenarios } from "./records.ts";
import { securityScenarios } from "./security.ts";
import { topicScenarios } from "./topics.ts";

/** All of them, by what they are about. */
export const SCENARIOS: Readonly<Record<string, readonly Scenario[]>> = {
  topics: topicScenarios,
  records: recordScenarios,
  offsets: offsetScenarios,
  groups: groupScenarios,
  security: securityScenarios,
};
