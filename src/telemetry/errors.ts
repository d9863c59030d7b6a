/** What spans and metrics say of errors. */

import { type Span, SpanStatusCode } from "@opentelemetry/api";
import { errorText } from "../threads/error_text.ts";
import { ATTRIBUTES } from "./names.ts";

/** What the conventions have for an error without a type. */
const OTHER = "_OTHER";

/**
 * The kind of an error, of which there are few: its code, as all errors of this library and of Node have
 * one, or else its name.
 */
export function errorType(error: unknown): string {
  try {
    const { code, name, constructor } = Object(error);
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]*$/.test(code)) return code;
    if (!(error instanceof Error)) return OTHER;
    return typeof name === "string" && name !== "Error" ? name : constructor.name || OTHER;
  } catch {
    return OTHER; // A getter that throws.
  }
}

/**
 * Notes on a span that it has failed.
 *
 * @param span The span, which goes on.
 * @param error What was thrown.
 * @param type Its kind.
 */
export function noteError(span: Span, error: unknown, type: string): void {
  const message = errorText(error);
  span.setAttribute(ATTRIBUTES.errorType, type);
  span.recordException(error instanceof Error ? error : message);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}
