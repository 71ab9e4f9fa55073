// The engine's list of its own memory against a set of pages: random claims and releases, each followed by questions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { SimulatedProcess } from "../../src/host/simulated-process.js";
import { Random } from "../patch/random-code.js";

interface OwnMemory {
  memory: WebAssembly.Memory;
  claimMemory(start: bigint, end: bigint): number;
  releaseMemory(start: bigint, end: bigint): void;
  hasOwnMemory(start: bigint, end: bigint): number;
  nextForeign(start: bigint, end: bigint): number;
  startOfForeign(): bigint;
  endOfForeign(): bigint;
}

/** Small, so that ranges touch and join. */
const PAGES = 64;
const at = (page: number): bigint => 0x10000n + BigInt(page) * 0x1000n;

/** The parts of [start, end) that are not the engine's, by asking again and again. */
function foreignParts(own: OwnMemory, start: number, end: number): string {
  const parts: string[] = [];
  for (let from = at(start); own.nextForeign(from, at(end)); from = own.endOfForeign())
    parts.push(`${own.startOfForeign()}-${own.endOfForeign()}`);
  return parts.join(" ");
}

function expectedParts(owned: ReadonlySet<number>, start: number, end: number): string {
  const parts: string[] = [];
  for (let page = start; page < end; page++) {
    if (owned.has(page)) continue;
    const first = page;
    while (page < end && !owned.has(page)) page++;
    parts.push(`${at(first)}-${at(page)}`);
  }
  return parts.join(" ");
}

test("claims, releases and questions agree with a set of pages", async () => {
  const module = await WebAssembly.compile(await compileAssemblyScript("test/engine/own-memory.as.ts"));
  const instance = await WebAssembly.instantiate(module, { process: new SimulatedProcess().imports() });
  const own = instance.exports as unknown as OwnMemory;
  const seed = Number(process.env["FLICKER_SEED"] ?? 1);
  const random = new Random(seed);
  const owned = new Set<number>();
  for (let round = 0; round < 5_000; round++) {
    const start = random.below(PAGES);
    const end = start + 1 + random.below(Math.min(8, PAGES - start));
    const pages = Array.from({ length: end - start }, (_, i) => start + i);
    if (pages.every((page) => !owned.has(page))) {
      assert.equal(own.claimMemory(at(start), at(end)), 1);
      for (const page of pages) owned.add(page);
    } else if (pages.every((page) => owned.has(page))) {
      own.releaseMemory(at(start), at(end));
      for (const page of pages) owned.delete(page);
    }
    const low = random.below(PAGES);
    const high = low + random.below(PAGES - low + 1);
    const has = Array.from({ length: high - low }, (_, i) => low + i).some((page) => owned.has(page));
    assert.equal(own.hasOwnMemory(at(low), at(high)), Number(has), `seed ${seed}, round ${round}`);
    assert.equal(foreignParts(own, low, high), expectedParts(owned, low, high), `seed ${seed}, round ${round}`);
  }
});
