// Random code, random sites, random surroundings: whatever the planner does, the checker must find the program intact.
// A failure prints its seed; FLICKER_SEED=n runs that one alone, FLICKER_SEEDS=n more than usual.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROT_EXEC, PROT_READ, PROT_WRITE, SimulatedProcess } from "../../src/host/simulated-process.js";
import { checkPatched } from "./checker.js";
import { type ClusterInput, ENTERED_BY_CALL, FATES, type Fate, Planner, SITE, STUB, VICTIM } from "./planner-module.js";
import { Random, randomCode } from "./random-code.js";

const SEEDS = Number(process.env["FLICKER_SEEDS"] ?? 100);
const BASES = [0x400000n, 0x555555554000n, 0x7ffff7d00000n, 0x7f3a12345000n];

function surroundings(random: Random, process: SimulatedProcess, base: bigint): void {
  process.map(base - 0x1000n * BigInt(1 + random.below(64)), 0x1000, PROT_READ);
  for (let i = 0; i < 40; i++) {
    const distance = BigInt(Math.floor((random.next() - 0.5) * 2 ** 32)) & ~0xfffn;
    const start = base + distance;
    if (start < 0x10000n || start + 0x40000n > 0x7ffffffff000n) continue;
    if (start < base + 0x10000n && start + 0x40000n > base) continue;
    process.map(start, 0x1000 * (1 + random.below(32)), PROT_READ | PROT_WRITE);
  }
}

/** @returns how many evicted calls stayed calls */
async function run(seed: number, isInBulk: boolean, fates: Map<Fate, number>): Promise<number> {
  const random = new Random(seed);
  const process = new SimulatedProcess();
  const planner = await Planner.create(process);
  const base = random.pick(BASES) + BigInt(random.below(4096));
  const code = randomCode(random, 200 + random.below(3000));
  surroundings(random, process, base);
  process.map(base, code.bytes.length, PROT_READ | PROT_EXEC, code.bytes);
  const before = process.snapshot();

  const density = random.pick([0.02, 0.1, 0.3, 1]);
  const onlySystemCalls = random.below(2) === 0;
  const sites = code.starts.filter((offset) => {
    if (onlySystemCalls) return code.bytes[offset] === 0x0f && code.bytes[offset + 1] === 0x05;
    return random.next() < density;
  });
  const input: ClusterInput = { address: base, code: code.bytes, boundaries: code.starts, sites };
  const trampolineSize = random.pick([20, 65, 65, 150]);
  const result = planner.patch([input], trampolineSize, isInBulk);
  assert(Array.isArray(result), "the commit failed");
  const [cluster] = result;
  assert(cluster);
  cluster.fates.forEach((fate) => fates.set(fate, (fates.get(fate) ?? 0) + 1));

  const patched = sites.filter((_, i) => cluster.fates[i] !== "B0");
  assert.equal(cluster.result, sites.length - patched.length);
  checkPatched({ process, address: base, original: code.bytes, boundaries: code.starts, sites: patched });
  const calls = checkRecords(planner, process, base, code.bytes, patched);
  checkRest(process, before, base, code.bytes.length);
  return calls;
}

/** Every patched site has its record; records overlap nothing and are found by each of their addresses. */
function checkRecords(
  planner: Planner,
  process: SimulatedProcess,
  base: bigint,
  original: Uint8Array,
  patched: number[],
): number {
  let calls = 0;
  assert.equal(planner.exports.countRecords(SITE), patched.length);
  const ranges: { start: bigint; end: bigint }[] = [];
  for (let offset = 0; offset < original.length; offset++) {
    for (const kind of ["findSite", "findVictim"] as const) {
      const pointer = planner.exports[kind](base + BigInt(offset));
      if (pointer === 0) continue;
      const record = planner.record(pointer);
      ranges.push({ start: record.address, end: record.address + BigInt(record.size) });
      for (const address of [record.address, record.address + BigInt(record.size - 1)]) {
        assert.equal(planner.findTrampoline(address)?.address, record.address);
        assert.equal(process.protectionAt(address), PROT_READ | PROT_EXEC);
      }
      if (kind === "findVictim" && record.entry === ENTERED_BY_CALL) {
        // The call is done where its trampoline begins.
        const target = record.original + 5n + BigInt(Buffer.from(original).readInt32LE(offset + 1));
        assert.equal(planner.exports.translateTo(pointer, record.address), target);
        calls += 1;
        continue;
      }
      assert.equal(planner.exports.translateTo(pointer, record.address), record.original);
      if (kind === "findVictim") {
        const done = record.address + BigInt(record.done);
        const next = record.original + BigInt(record.length);
        if (record.done < record.size) assert.equal(planner.exports.translateTo(pointer, done), next);
      }
    }
  }
  ranges.sort((a, b) => (a.start < b.start ? -1 : 1));
  for (let i = 1; i < ranges.length; i++) assert(ranges[i - 1]!.end <= ranges[i]!.start, "trampolines overlap");
  for (const offset of patched) assert(planner.findSite(base + BigInt(offset)), "a patched site has no record");
  const total = [SITE, VICTIM, STUB].reduce((sum, kind) => sum + planner.exports.countRecords(kind), 0);
  assert(total >= ranges.length);

  const mark = planner.exports.temporaryMark();
  const copy = planner.exports.allocateTemporary(original.length);
  planner.bytes(copy, original.length).set(process.bytesAt(base, original.length));
  planner.exports.restoreCopy(copy, base, original.length);
  assert.deepEqual(Buffer.from(planner.bytes(copy, original.length)), Buffer.from(original), "restoreCopy");
  planner.exports.releaseTemporary(mark);
  return calls;
}

/** Nothing but the cluster and fresh trampoline pages differs from before. */
function checkRest(
  process: SimulatedProcess,
  before: ReturnType<SimulatedProcess["snapshot"]>,
  base: bigint,
  size: number,
): void {
  const now = process.snapshot();
  for (const [start, was] of before) {
    if (start + 4096n > base && start < base + BigInt(size)) continue;
    assert.deepEqual(now.get(start), was, `page 0x${start.toString(16)} changed`);
  }
  for (const [start, is] of now) {
    if (!before.has(start)) assert.equal(is.protection, PROT_READ | PROT_EXEC, "trampoline memory is not read-execute");
  }
}

for (const isInBulk of [false, true]) {
  const how = isInBulk ? "in bulk" : "with few sites at a time";
  test(`random code stays intact whatever is patched in it, ${how}`, () => runAll(isInBulk));
}

async function runAll(isInBulk: boolean): Promise<void> {
  const fates = new Map<Fate, number>();
  let calls = 0;
  const only = process.env["FLICKER_SEED"];
  const seeds = only ? [Number(only)] : Array.from({ length: SEEDS }, (_, i) => i + 1);
  for (const seed of seeds) {
    try {
      calls += await run(seed, isInBulk, fates);
    } catch (error) {
      throw new Error(`FLICKER_SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (only) return;
  for (const fate of FATES) assert(fates.get(fate), `no site was patched by ${fate}`);
  assert.equal(calls > 0, isInBulk, `${calls} evicted calls stayed calls`);
}
