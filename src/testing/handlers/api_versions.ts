import { ERROR } from "../protocol/error_codes.ts";
import { apiVersions as api } from "../protocol/messages/api_versions.ts";
import { supportedVersions } from "../protocol/registry.ts";
import { type Handler, handler } from "./handler.ts";

/** API 18: what this broker speaks, as its registry has it. */
export const apiVersions: Handler = handler(api, () => ({
  errorCode: ERROR.NONE,
  apiKeys: supportedVersions(),
}));
