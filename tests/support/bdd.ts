// The one name through which tests take describe and it: `#std/testing/bdd`.
//
// JSR's @std/testing/bdd is the interface; `node:test` has the same one and is built into Deno, Bun
// and Node alike, so that the tests need no registry. Whoever prefers @std/testing replaces the next
// line by `export * from "jsr:@std/testing/bdd"`.
export { after, afterEach, before, beforeEach, describe, it } from "node:test";
