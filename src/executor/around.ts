/** Puts middleware around a handler. */

import { StateError } from "../errors.ts";
import type { Middleware, MiddlewareContext } from "../handler.ts";
import { isThenable } from "../threads/thenable.ts";

/** A handler of whatever kind: of a message, or of a batch. */
export type AnyHandler = (context: MiddlewareContext, data: unknown, messages: unknown) => unknown;

/**
 * Wraps a handler.
 *
 * A call has ended only when everything inside of it has, even where a middleware does not wait for
 * `next()`: what is behind it in its order must not begin beside it.
 *
 * @param middleware Outermost first.
 * @param handler What is called innermost.
 * @returns The handler itself where there is no middleware.
 */
export function around(middleware: readonly Middleware[], handler: AnyHandler): AnyHandler {
  return middleware.reduceRight(wrap, handler);
}

function wrap(inner: AnyHandler, middleware: Middleware): AnyHandler {
  return (context, data, messages) => {
    let inside: Promise<void> | null = null;
    let pending = false;
    let over = false;
    const next = () => {
      if (over || inside !== null) {
        const when = over ? "after the middleware had ended" : "twice";
        return Promise.reject(new StateError(`A middleware has called next() ${when}`));
      }
      pending = true;
      inside = callInside(inner, context, data, messages);
      const settled = () => void (pending = false);
      inside.then(settled, settled);
      return inside;
    };
    const outcome = middleware(context, next);
    if (!isThenable(outcome)) {
      over = true;
      // It cannot have waited, nor have caught anything.
      return inside ?? undefined;
    }
    return (async () => {
      try {
        await outcome;
      } catch (error) {
        over = true;
        if (pending) await inside!.catch(() => {});
        throw error;
      }
      over = true;
      if (pending) await inside;
    })();
  };
}

async function callInside(
  inner: AnyHandler,
  context: MiddlewareContext,
  data: unknown,
  messages: unknown,
): Promise<void> {
  await inner(context, data, messages);
}
