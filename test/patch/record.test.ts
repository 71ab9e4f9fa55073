// Records after the commit: translation of interrupted program counters, and code that goes away or is patched again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROT_EXEC, PROT_READ, SimulatedProcess } from "../../src/host/simulated-process.js";
import { checkPatched } from "./checker.js";
import { type ClusterInput, Planner, RELAY, SITE, STUB, VICTIM } from "./planner-module.js";
import { Random, randomCode } from "./random-code.js";

const TRAMPOLINE_SIZE = 65;
const ADDRESS = 0x7f1000000100n;

function input(seed: number, address = ADDRESS, size = 3000): ClusterInput {
  const random = new Random(seed);
  const code = randomCode(random, size);
  const sites = code.starts.filter((offset) => code.bytes[offset] === 0x0f && code.bytes[offset + 1] === 0x05);
  return { address, code: code.bytes, boundaries: code.starts, sites };
}

async function patched(...clusters: ClusterInput[]): Promise<Planner> {
  const process = new SimulatedProcess();
  for (const { address, code } of clusters) process.map(address, code.length, PROT_READ | PROT_EXEC, code);
  const planner = await Planner.create(process);
  for (const cluster of clusters) assert(Array.isArray(planner.patch([cluster], TRAMPOLINE_SIZE)));
  return planner;
}

function count(planner: Planner): number {
  return [SITE, VICTIM, STUB].reduce((sum, kind) => sum + planner.exports.countRecords(kind), 0);
}

test("stubs and relays translate to their site", async () => {
  const cluster = input(1);
  const planner = await patched(cluster);
  let relays = 0;
  for (const site of cluster.sites) {
    const address = cluster.address + BigInt(site);
    if (!planner.findSite(address)) continue;
    const now = planner.process.bytesAt(address, 5);
    let to = 0n;
    if (now[0] === 0xeb) to = address + 2n + BigInt((now[1]! << 24) >> 24);
    else if (now[0] === 0xe9) to = address + 5n + BigInt(new DataView(now.buffer).getInt32(1, true));
    else continue;
    const record = planner.exports.findTrampoline(to);
    assert(record !== 0, "a jump of a site leads to nothing that is known");
    const { kind } = planner.record(record);
    assert.equal(planner.exports.translateTo(record, to), address);
    if (kind === RELAY) relays += 1;
  }
  assert(relays > 0, "no relay in this code");
});

test("a loop's two ways out translate to its next instruction and its target", async () => {
  // syscall ; loop -4 ; add $..,%eax ; nops. The pun (B2) would lead to a place that is taken, so the loop is evicted.
  const bytes = "0f 05 e2 fc 05 85 05 00 00 90 90 90";
  const code = Uint8Array.from(bytes.split(" "), (byte) => parseInt(byte, 16));
  const address = 0x400000n;
  const process = new SimulatedProcess();
  process.map(address, code.length, PROT_READ | PROT_EXEC, code);
  process.map((address + 5n + 0x05fce200n) & ~0xfffn, 0x2000, PROT_READ);
  const planner = await Planner.create(process);
  const locked = [4, 5, 6, 7, 8, 9, 10, 11];
  const result = planner.patch(
    [{ address, code, boundaries: [0, 2, 4, 9, 10, 11], sites: [0], locked }],
    TRAMPOLINE_SIZE,
  );
  assert(Array.isArray(result));
  assert.deepEqual(result[0]!.fates, ["T2"]);
  const pointer = planner.exports.findVictim(address + 2n);
  assert(pointer !== 0, "the loop was not evicted");
  const record = planner.record(pointer);
  const done = record.address + BigInt(record.done);
  assert.equal(planner.exports.translateTo(pointer, record.address), address + 2n);
  assert.equal(planner.exports.translateTo(pointer, done), address + 4n);
  assert.equal(planner.exports.translateTo(pointer, done + 5n), address);
  checkPatched({ process, address, original: code, boundaries: [0, 2, 4, 9, 10, 11], sites: [0] });
});

test("forgotten code leaves no record, its memory is used again, empty slots go back to the kernel", async () => {
  const cluster = input(2);
  const planner = await patched(cluster);
  const slots = planner.exports.countSlots();
  const before = planner.exports.countRecords(SITE);
  const end = cluster.address + BigInt(cluster.code.length);
  for (let round = 0; round < 5; round++) {
    planner.exports.forgetRange(cluster.address, end);
    assert.equal(count(planner), 0);
    planner.process.overwrite(cluster.address, cluster.code);
    assert(Array.isArray(planner.patch([cluster], TRAMPOLINE_SIZE)));
    assert.equal(planner.exports.countRecords(SITE), before);
    assert(planner.exports.countSlots() <= slots + 1, "memory of forgotten trampolines is not used again");
  }
  planner.exports.forgetRange(0n, 1n << 47n);
  assert.equal(count(planner), 0);
  planner.exports.releaseEmptySlots();
  assert.equal(planner.exports.countSlots(), 0);
  assert.equal(planner.process.mappings().length, 1, "trampoline memory is still mapped");
});

test("a range that is widened to patches has none across its ends", async () => {
  const cluster = input(3);
  const planner = await patched(cluster);
  const mark = planner.exports.temporaryMark();
  const range = planner.exports.allocateTemporary(16);
  for (let offset = 200; offset < 2800; offset += 97) {
    const view = new DataView(planner.exports.memory.buffer);
    view.setBigUint64(range, cluster.address + BigInt(offset), true);
    view.setBigUint64(range + 8, cluster.address + BigInt(offset + 64), true);
    planner.exports.widenToPatches(range);
    const start = Number(view.getBigUint64(range, true) - cluster.address);
    const end = Number(view.getBigUint64(range + 8, true) - cluster.address);
    assert(start <= offset && end >= offset + 64);
    // With the range's original bytes back, the rest must still be sound on its own.
    const now = planner.process.bytesAt(cluster.address, cluster.code.length);
    const restored = now.slice();
    restored.set(cluster.code.subarray(start, end), start);
    planner.process.overwrite(cluster.address, restored);
    const sites = cluster.sites.filter(
      (site) => (site < start || site >= end) && planner.findSite(cluster.address + BigInt(site)) !== undefined,
    );
    checkPatched({
      process: planner.process,
      address: cluster.address,
      original: cluster.code,
      boundaries: cluster.boundaries,
      sites,
    });
    planner.process.overwrite(cluster.address, now);
  }
  planner.exports.releaseTemporary(mark);
});

test("locks carried over from an earlier plan keep its patches intact", async () => {
  const cluster = input(4);
  const early = { ...cluster, sites: cluster.sites.filter((_, i) => i % 2 === 0) };
  const planner = await patched(early);
  const now = planner.process.bytesAt(cluster.address, cluster.code.length);
  const mark = planner.exports.temporaryMark();
  const pointer = planner.exports.allocateTemporary(cluster.code.length);
  const locks = planner.bytes(pointer, cluster.code.length);
  locks.fill(0);
  planner.exports.carryLocks(pointer, cluster.address, cluster.code.length);
  const locked = [...locks.keys()].filter((offset) => locks[offset] !== 0);
  for (let i = 0; i < now.length; i++)
    if (now[i] !== cluster.code[i]) assert(locks[i] !== 0, `byte ${i} is not locked`);
  planner.exports.releaseTemporary(mark);

  const late = {
    ...cluster,
    code: now,
    sites: cluster.sites.filter((site, i) => i % 2 === 1 && !locked.includes(site)),
    locked,
  };
  const result = planner.patch([late], TRAMPOLINE_SIZE);
  assert(Array.isArray(result));
  const sites = cluster.sites.filter((site) => planner.findSite(cluster.address + BigInt(site)) !== undefined);
  assert(sites.length > early.sites.length);
  checkPatched({
    process: planner.process,
    address: cluster.address,
    original: cluster.code,
    boundaries: cluster.boundaries,
    sites,
  });
});
