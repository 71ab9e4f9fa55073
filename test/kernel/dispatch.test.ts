// A system call that the dispatch table sends to the gate has a handler, and a handler is reached: the list that makes the
// table and the cases of the dispatch are the same. A missing entry would let a call slip past the engine silently.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (name: string): string =>
  readFileSync(new URL(`../../src/engine/kernel/${name}`, import.meta.url), "utf8");

test("the dispatch table and the handlers name the same calls", () => {
  const list = /const virtualised: StaticArray<u32> = \[([^\]]*)\]/.exec(read("dispatch-table.ts"))?.[1] ?? "";
  const inTable = [...list.matchAll(/SYS_\w+/g)].map(([name]) => name);
  const inDispatch = [...read("dispatch.ts").matchAll(/case (SYS_\w+):/g)].map(([, name]) => name);
  assert.ok(inTable.length > 20);
  assert.deepEqual(inTable.sort(), inDispatch.sort());
});

test("the numbers are the kernel headers'", (context) => {
  let headers: string;
  try {
    headers = readFileSync("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "utf8");
  } catch {
    return context.skip("linux-libc-dev is not installed");
  }
  const known = new Map([...headers.matchAll(/#define __NR_(\w+)\s+(\d+)/g)].map(([, name, number]) => [name, number]));
  const ours = [...read("numbers.ts").matchAll(/const SYS_(\w+): u32 = (\d+);/g)];
  assert.ok(ours.length > 50);
  for (const [, name = "", number] of ours) {
    const inHeaders = known.get(name.toLowerCase());
    // Headers may be older than a call.
    if (inHeaders !== undefined) assert.equal(number, inHeaders, name);
  }
});
