// Plan whole, then apply whole (I4), never writable and executable (I5): what the process looks like after a commit, after
// an abandoned plan, and after each system call of either has failed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROT_EXEC, PROT_READ, SimulatedProcess } from "../../src/host/simulated-process.js";
import { checkPatched } from "./checker.js";
import { type ClusterInput, type PlannedCluster, Planner, SITE } from "./planner-module.js";
import { Random, randomCode } from "./random-code.js";

const TRAMPOLINE_SIZE = 65;

/** Code with about `count` system calls at an address. */
function systemCalls(address: bigint, seed: number, size = 1500): ClusterInput {
  const code = randomCode(new Random(seed), size);
  const sites = code.starts.filter((offset) => code.bytes[offset] === 0x0f && code.bytes[offset + 1] === 0x05);
  return { address, code: code.bytes, boundaries: code.starts, sites };
}

/** Code of which every instruction is a site, as in a window of --match all (patch/window.ts). */
function everyInstruction(address: bigint, seed: number, size = 600): ClusterInput {
  const code = randomCode(new Random(seed), size);
  return { address, code: code.bytes, boundaries: code.starts, sites: code.starts };
}

/** `count` system calls that are all easy to patch: syscall ; cmp $-4095,%rax ; ret, and room before the next. */
function plainCalls(address: bigint, count: number): ClusterInput {
  const code: number[] = [];
  const boundaries: number[] = [];
  const sites: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = code.length;
    sites.push(start);
    boundaries.push(start, start + 2, start + 8);
    code.push(0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3);
    for (let pad = 0; pad < 55; pad++) {
      boundaries.push(code.length);
      code.push(0x90);
    }
  }
  return { address, code: Uint8Array.from(code), boundaries, sites };
}

function mapCode(process: SimulatedProcess, input: ClusterInput): void {
  process.map(input.address, input.code.length, PROT_READ | PROT_EXEC, input.code);
}

function check(process: SimulatedProcess, cluster: PlannedCluster): void {
  const { input, fates } = cluster;
  const sites = input.sites.filter((_, i) => fates[i] !== "B0");
  checkPatched({ process, address: input.address, original: input.code, boundaries: input.boundaries, sites });
}

const FIRST = 0x7f1000000000n;
const SECOND = 0x7f1000018000n;

async function withCode(inputs: ClusterInput[]): Promise<Planner> {
  const process = new SimulatedProcess();
  for (const input of inputs) mapCode(process, input);
  return Planner.create(process);
}

test("an abandoned plan leaves no trace", async () => {
  const input = systemCalls(FIRST, 1);
  const planner = await withCode([input]);
  const before = planner.process.snapshot();
  const free = planner.exports.temporaryMark();
  planner.exports.begin(TRAMPOLINE_SIZE, false);
  planner.planCluster(input);
  assert(planner.process.calls.length > 0, "planning maps memory");
  planner.exports.abandonPlan();
  assert.deepEqual(planner.process.snapshot(), before);
  assert.equal(planner.exports.countSlots(), 0);
  assert.equal(planner.exports.temporaryMark(), free);
});

test("before the commit nothing that is mapped can run", async () => {
  const input = systemCalls(FIRST, 1);
  const planner = await withCode([input]);
  const before = planner.process.snapshot();
  planner.exports.begin(TRAMPOLINE_SIZE, false);
  planner.planCluster(input);
  for (const [start, page] of planner.process.snapshot()) {
    if (before.has(start)) assert.deepEqual(page, before.get(start));
    else assert.equal(page.protection & PROT_EXEC, 0);
  }
  planner.exports.abandonPlan();
});

test("a second commit into the same slot swaps it, and the first one's trampolines live on", async () => {
  const first = plainCalls(FIRST, 20);
  const second = plainCalls(SECOND, 20);
  const planner = await withCode([first, second]);
  const one = planner.patch([first], TRAMPOLINE_SIZE);
  assert(Array.isArray(one));
  const slots = planner.exports.countSlots();
  const calls = planner.process.calls.length;
  const two = planner.patch([second], TRAMPOLINE_SIZE);
  assert(Array.isArray(two));
  assert(
    planner.process.calls.slice(calls).some((call) => call.name === "mremap"),
    "no swap took place",
  );
  assert.equal(planner.exports.countSlots(), slots, "the slot had room for both");
  check(planner.process, one[0]!);
  check(planner.process, two[0]!);
});

test("hundreds of small commits share slots", async () => {
  const process = new SimulatedProcess();
  const planner = await Planner.create(process);
  const done: PlannedCluster[] = [];
  const mappings = process.mappings().length;
  for (let i = 0; i < 300; i++) {
    const input = plainCalls(FIRST + BigInt(i) * 0x1000n, 2);
    mapCode(process, input);
    const result = planner.patch([input], TRAMPOLINE_SIZE);
    assert(Array.isArray(result));
    done.push(result[0]!);
  }
  for (const cluster of done) check(process, cluster);
  assert(process.mappings().length - mappings < 10, `${process.mappings().length} mappings`);
});

/** Runs a patch whose n-th system call fails, for each n, and gives how many calls there were. */
async function failEach(prepare: () => Promise<Planner>, input: ClusterInput, errno: number): Promise<number> {
  for (let n = 1; ; n++) {
    const planner = await prepare();
    const { process } = planner;
    const before = process.snapshot();
    const records = planner.exports.countRecords(SITE);
    const slots = planner.exports.countSlots();
    const calls = process.calls.length;
    process.failAt(n, errno);
    const result = planner.patch([input], TRAMPOLINE_SIZE);
    if (process.calls.length - calls < n) {
      assert(Array.isArray(result));
      return n - 1;
    }
    if (Array.isArray(result)) {
      check(process, result[0]!);
      continue;
    }
    assert.equal(result, -errno);
    const after = process.snapshot();
    assert.deepEqual([...after.keys()], [...before.keys()], `call ${n}: pages differ`);
    for (const [start, page] of after) {
      assert.equal(page.protection, before.get(start)!.protection, `call ${n}: protection differs`);
      if (process.calls.slice(calls).some((call) => call.name === "mremap" && call.result >= 0n)) continue;
      assert.deepEqual(page, before.get(start), `call ${n}: bytes differ`);
    }
    assert.equal(planner.exports.countRecords(SITE), records);
    assert.equal(planner.exports.countSlots(), slots);

    // The same plan works once the kernel does.
    const again = planner.patch([input], TRAMPOLINE_SIZE);
    assert(Array.isArray(again), `call ${n}: the plan does not work afterwards`);
    check(process, again[0]!);
  }
}

test("each failing system call of a first commit is undone or got round", async () => {
  const input = systemCalls(FIRST, 4);
  for (const errno of [12, 17]) {
    const calls = await failEach(() => withCode([input]), input, errno);
    assert(calls >= 2, `${calls} calls`);
  }
});

test("each failing system call of a commit in which every instruction is a site is undone or got round", async () => {
  for (const seed of [1, 2, 3]) {
    const input = everyInstruction(FIRST, seed);
    const calls = await failEach(() => withCode([input]), input, 12);
    assert(calls >= 2, `${calls} calls`);
  }
});

test("when the engine's own memory is out at any site of a window, the plan is abandoned whole", async () => {
  const input = everyInstruction(FIRST, 8);
  let isOut = true;
  let abandoned = 0;
  for (let room = 0; isOut; room += 1024) {
    const planner = await withCode([input]);
    const before = planner.process.snapshot();
    planner.exports.begin(TRAMPOLINE_SIZE, false);
    const needed = 4 * input.code.length + 5 * input.sites.length + room;
    assert(planner.exports.allocate(planner.exports.remaining() - needed, 8) !== 0);
    const cluster = planner.planCluster(input);
    // Without memory for a slot all sites are left to traps, as where the process has none; without any for a record the plan is over.
    isOut = cluster.result === -12 || cluster.result === input.sites.length;
    if (cluster.result === -12) abandoned += 1;
    planner.exports.abandonPlan();
    assert.deepEqual(planner.process.snapshot(), before);
  }
  assert(abandoned > 2, `${abandoned} plans were abandoned`);
});

test("each failing system call of a commit that swaps is undone or got round", async () => {
  const first = systemCalls(FIRST, 5, 4000);
  const second = systemCalls(SECOND, 6, 4000);
  const prepare = async (): Promise<Planner> => {
    const planner = await withCode([first, second]);
    const result = planner.patch([first], TRAMPOLINE_SIZE);
    assert(Array.isArray(result));
    return planner;
  };
  const calls = await failEach(prepare, second, 12);
  assert(calls >= 3, `${calls} calls`);
  const planner = await prepare();
  const result = planner.patch([second], TRAMPOLINE_SIZE);
  assert(Array.isArray(result));
});

test("when no memory is to be had, every site is left to a trap and nothing is mapped", async () => {
  const input = systemCalls(FIRST, 7);
  const process = new SimulatedProcess();
  mapCode(process, input);
  const planner = await Planner.create(process);
  const before = process.snapshot();
  planner.exports.avoid(0n, 0x7ffffffff000n);
  const result = planner.patch([input], TRAMPOLINE_SIZE);
  assert(Array.isArray(result));
  assert(result[0]!.fates.every((fate) => fate === "B0"));
  assert.equal(result[0]!.result, input.sites.length);
  assert.deepEqual(process.snapshot(), before);
  planner.exports.avoidNothing();
});

test("when the engine's own memory is out, the plan is abandoned whole", async () => {
  const input = systemCalls(FIRST, 8);
  const planner = await withCode([input]);
  const before = planner.process.snapshot();
  planner.exports.begin(TRAMPOLINE_SIZE, false);
  // Room for the cluster, its offsets and its fates, and hardly any record.
  const needed = 4 * input.code.length + 5 * input.sites.length + 2600;
  assert(planner.exports.allocate(planner.exports.remaining() - needed, 8) !== 0);
  const cluster = planner.planCluster(input);
  assert.equal(cluster.result, -12);
  planner.exports.abandonPlan();
  assert.deepEqual(planner.process.snapshot(), before);
});

test("bounds of the plan hold for site trampolines", async () => {
  const input = systemCalls(FIRST, 9);
  const planner = await withCode([input]);
  const [low, high] = [FIRST + 0x10000000n, FIRST + 0x20000000n];
  planner.exports.begin(TRAMPOLINE_SIZE, false);
  planner.exports.boundTrampolines(low, high);
  const cluster = planner.planCluster(input);
  assert.equal(planner.exports.commitPlan(), 0);
  planner.process.overwrite(input.address, planner.planned(cluster));
  planner.exports.endPlan();
  check(planner.process, cluster);
  const sites = input.sites.filter((_, i) => cluster.fates[i] !== "B0");
  assert(sites.length > input.sites.length / 2);
  for (const site of sites) {
    const { address } = planner.findSite(input.address + BigInt(site))!;
    assert(address >= low && address <= high);
  }
});
