// A handler that runs on handler threads, and whose work a test does on the program's thread: so the
// same tests hold for functions and for modules.
import { Message } from "../../mod.ts";
import type { HandlerContext } from "../../mod.ts";
import type { RemoteAnswer, RemoteCall, RemoteMessage } from "./fixtures/remote_handler.ts";
import type { TestHandler } from "./shared.ts";

/** What a call is about, as long as it is under way. */
interface Work {
  readonly abort: AbortController;
}

/**
 * Makes a handler module do what a function says.
 *
 * @param scope When it ends, no more calls are answered.
 * @param groupId Group of the consumer, by which the threads find this.
 * @param handler What to do; it is called as if it were the handler.
 * @param module The module, which has `fixtures/remote_handler.ts` as its handler.
 * @returns The module.
 */
export function remoteHandler(
  scope: AsyncDisposableStack,
  groupId: string,
  handler: TestHandler,
  module: URL = new URL("./fixtures/remote_handler.ts", import.meta.url),
): URL {
  const channel = new BroadcastChannel(groupId);
  const working = new Map<string, Work>();
  const answered = new Map<string, RemoteAnswer>();
  let open = true;
  scope.defer(() => {
    open = false;
    channel.close();
  });
  channel.onmessage = async ({ data }: MessageEvent<RemoteCall>) => {
    if (data.type === "abort") return working.get(data.id)?.abort.abort(data.reason);
    if (data.type !== "call") return;
    const { id, attempt } = data;
    const known = answered.get(id);
    if (known !== undefined) return channel.postMessage(known);
    if (working.has(id)) return;
    const abort = new AbortController();
    working.set(id, { abort });
    const context = { signal: abort.signal, attempt, consumer: data.consumer } as HandlerContext;
    const answer = (error: RemoteAnswer["error"]) => {
      const answer: RemoteAnswer = { type: "answer", id, error };
      answered.set(id, answer);
      working.delete(id);
      if (open) channel.postMessage(answer);
    };
    try {
      const messages = data.messages.map(messageOf);
      await handler(context, data.data, data.batch ? messages : messages[0]);
      answer(null);
    } catch (error) {
      const { name, message, retriable } = error as Error & { retriable?: boolean };
      answer({ name, message, retriable });
    }
  };
  return module;
}

function messageOf({ headers, ...message }: RemoteMessage): Message {
  return Message.from({ ...message, headers });
}
