import { Buffer } from "node:buffer";

/**
 * Makes the value of message `n`: JSON of exactly `size` bytes, whose field `n` is the number.
 *
 * @param n Which message, from 0.
 * @param size Bytes of the value, at least 80.
 * @returns The value.
 * @throws {RangeError} If the size is too small for the fields.
 */
export function payload(n: number, size: number): Buffer {
  const customer = `c-${n % 9973}`;
  const start = `{"n":${n},"kind":"order.paid","customer":"${customer}","cents":${
    n % 50_000
  },"note":"`;
  const rest = size - start.length - 2;
  if (rest < 0) {
    throw new RangeError(`Cannot make a message of ${size} bytes: at least 80 are needed`);
  }
  return Buffer.from(`${start}${"x".repeat(rest)}"}`, "latin1");
}

/**
 * The sum of the field `n` of messages 0 to `messages` - 1.
 *
 * @param messages How many messages there are.
 * @returns The sum; exact below 100 million messages.
 */
export function payloadSum(messages: number): number {
  return messages * (messages - 1) / 2;
}
