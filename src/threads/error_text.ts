/**
 * What an error says, whatever it is that was thrown: saying it must not throw in turn.
 *
 * @param error Anything.
 * @returns Its message, or itself as text.
 */
export function errorText(error: unknown): string {
  try {
    return error instanceof Error ? `${error.message}` : String(error);
  } catch {
    return "something that cannot be printed";
  }
}
