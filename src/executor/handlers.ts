/** What the user gives an executor to run. */

import type {
  BatchHandler,
  Decode,
  Handler,
  Middleware,
  RetryIf,
  StandardSchema,
} from "../handler.ts";

/** A handler and what belongs to it, checked. */
export interface Handlers {
  /** The handler: of batches, where runs are handled in one call. */
  readonly handler: Handler<never> | BatchHandler<never>;
  /** Makes data of bytes; JSON where there is none. */
  readonly decode: Decode | undefined;
  /** What data has to be. */
  readonly schema: StandardSchema | undefined;
  /** Around every call of the handler, outermost first. */
  readonly middleware: readonly Middleware[];
  /** Whether a failure is worth another attempt. */
  readonly retryIf: RetryIf | undefined;
}
