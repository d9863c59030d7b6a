import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const bun = (globalThis as { Bun?: { gc(force: boolean): void } }).Bun;

/** Frees what can be freed: on V8 by a flag that may be set while it runs. */
export const collectGarbage: () => void = bun ? () => bun.gc(true) : v8Collector();

function v8Collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
