/** Kafka's limit, so that a topic's name and partition fit in a folder's name. */
const MAX_LENGTH = 249;

/**
 * What is wrong with a topic's name, in Kafka's rules.
 *
 * @param name The name.
 * @returns The reason, or null where nothing is wrong.
 */
export function topicNameFault(name: string): string | null {
  if (name === "") return "it is empty";
  if (name === "." || name === "..") return `it is "${name}"`;
  if (name.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return "it has a character other than ASCII letters, digits, '.', '_' and '-'";
  }
  return null;
}

/**
 * Kafka makes one metric of names that differ only by '.' and '_', and so refuses the second.
 *
 * @param name A name.
 * @returns What two names share that collide.
 */
export function collisionName(name: string): string {
  return name.replaceAll(".", "_");
}
