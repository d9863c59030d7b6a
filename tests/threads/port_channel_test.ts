import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { portChannel } from "../../src/threads/port_channel.ts";

describe("portChannel()", () => {
  it("carries messages in order, from when somebody listens", async () => {
    const { port1, port2 } = new MessageChannel();
    const ours = portChannel<number, string>(port1);
    const theirs = portChannel<string, number>(port2);
    ours.post("a");
    ours.post("b");
    const got: string[] = [];
    const all = Promise.withResolvers<void>();
    theirs.onMessage = (message) => {
      got.push(message);
      if (message === "c") all.resolve();
    };
    ours.post("c");
    await all.promise;
    assert.deepEqual(got, ["a", "b", "c"]);
    ours.close();
    theirs.close();
  });

  it("moves what is transferred", async () => {
    const { port1, port2 } = new MessageChannel();
    const ours = portChannel<never, ArrayBuffer>(port1);
    const theirs = portChannel<ArrayBuffer, never>(port2);
    const arrived = Promise.withResolvers<ArrayBuffer>();
    theirs.onMessage = arrived.resolve;
    const buffer = new ArrayBuffer(8);
    ours.post(buffer, [buffer]);
    assert.equal(buffer.byteLength, 0);
    assert.equal((await arrived.promise).byteLength, 8);
    ours.close();
    theirs.close();
  });

  it("that is closed posts nothing, and does not mind", () => {
    const { port1 } = new MessageChannel();
    const channel = portChannel<never, number>(port1);
    channel.onMessage = () => {};
    channel.close();
    channel.post(1);
    channel.close();
  });
});
