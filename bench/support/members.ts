import { quietClient } from "./client.ts";

const INTERVAL_MS = 100;

/** Asks the broker again and again whether a group has a member. */
export interface MemberWatch {
  /** Milliseconds, between begin and end, during which it had one. */
  readonly memberMs: number;
  /** Begins to count. */
  begin(): void;
  /** Ceases to count. */
  end(): void;
  /** Ends the questions. */
  stop(): Promise<void>;
}

/**
 * Watches a group from outside, as the broker sees it.
 *
 * @param bootstrapServers The broker, `host:port,…`.
 * @param group The group.
 * @returns The watch.
 */
export async function watchMembers(bootstrapServers: string, group: string): Promise<MemberWatch> {
  const admin = quietClient(bootstrapServers).admin();
  await admin.connect();
  let counting = false;
  let stopped = false;
  let memberMs = 0;

  const watch = async (): Promise<void> => {
    let askedAt = Date.now();
    while (!stopped) {
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
      if (!counting) {
        askedAt = Date.now();
        continue;
      }
      const { groups } = await admin.describeGroups([group]);
      const answeredAt = Date.now();
      if ((groups[0]?.members.length ?? 0) > 0) memberMs += answeredAt - askedAt;
      askedAt = answeredAt;
    }
  };
  const watching = watch();

  return {
    get memberMs() {
      return memberMs;
    },
    begin: () => void (counting = true),
    end: () => void (counting = false),
    async stop() {
      stopped = true;
      await watching.catch(() => {});
      await admin.disconnect();
    },
  };
}
