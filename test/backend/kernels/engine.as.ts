// The engine's hot loops over a piece of real code in linear memory: the decoder, the vote on candidates and the planner,
// as functions that the tests compare and bench/backend.ts times, natively and in V8.

import "../../../src/engine/assertion";
import { Address, memoryBase } from "../../../src/engine/process";
import { Cluster } from "../../../src/engine/patch/cluster";
import { abandonPlan, addCluster, beginPlan, planCluster } from "../../../src/engine/patch/plan";
import { releaseEmptySlots } from "../../../src/engine/patch/territory";
import { nextCandidate } from "../../../src/engine/scan/candidates";
import { EVIDENCE_CODE, markBehind, markFront, weigh } from "../../../src/engine/scan/evidence";
import { decode } from "../../../src/engine/x86/decode";
import { INSTRUCTION_SIZE } from "../../../src/engine/x86/instruction";

const CODE_SIZE: u32 = 2 << 20;
const WINDOW: u32 = 448;
const SITES_MAX: u32 = 2048;
const TRAMPOLINE_SIZE: u32 = 62;
/** Where the code pretends to be in the process. */
const CODE_ADDRESS: Address = 0x3000_0040_0000;

const code = memory.data(CODE_SIZE, 16);
const instruction = memory.data(256, 8);
const sites = memory.data(8192, 8);
const boundaries = memory.data(1 << 20, 8);
const fates = memory.data(64, 8);
let siteCount: u32 = 0;

export function codePointer(): usize {
  return code;
}
export function codeSize(): u32 {
  return CODE_SIZE;
}

/** Decodes everything; a hash of the lengths and of what was decoded. */
export function decodeCode(rounds: u32): u32 {
  let check: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    let offset: u32 = 0;
    while (offset < CODE_SIZE) {
      const length = decode(code + offset, CODE_SIZE - offset, instruction);
      offset += length == 0 ? 1 : length;
      check = check * 31 + length;
    }
  }
  return check;
}

/** Every field of every instruction in the hash. */
export function decodeFields(size: u32): u64 {
  let check: u64 = 0;
  let offset: u32 = 0;
  while (offset < size) {
    const length = decode(code + offset, size - offset, instruction);
    offset += length == 0 ? 1 : length;
    if (length != 0)
      for (let i: u32 = 0; i < (INSTRUCTION_SIZE as u32); i++)
        check = (check ^ load<u8>(instruction + i)) * 0x100000001b3;
  }
  return check;
}

function windowOf(at: u32): u32 {
  return at > WINDOW / 2 ? min(at - WINDOW / 2, CODE_SIZE - WINDOW) : 0;
}

/** Weighs every `0f 05` and keeps those that are code as sites, with the boundaries around them. */
export function weighCode(rounds: u32): u32 {
  let check: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    siteCount = 0;
    for (let at: u32 = 0; at < CODE_SIZE - 2; at++) {
      if (load<u16>(code + at) != 0x050f) continue;
      const window = windowOf(at);
      const evidence = weigh(code + window, WINDOW, at - window);
      check = check * 7 + evidence;
      if (evidence != EVIDENCE_CODE || siteCount == SITES_MAX) continue;
      const boundary = boundaries + siteCount * WINDOW;
      memory.fill(boundary, 0, WINDOW);
      markFront(code + window, WINDOW, at - window, boundary);
      markBehind(code + window, WINDOW, at - window, boundary, CODE_ADDRESS + (at as u64), WINDOW);
      store<u32>(sites + (siteCount++ << 2), at);
    }
  }
  return check;
}

/** The candidates alone, through `peek` as in the process. */
export function searchCode(rounds: u32): u32 {
  let check: u32 = 0;
  const start = memoryBase() + (code as u64);
  const end = start + (CODE_SIZE as u64);
  for (let r: u32 = 0; r < rounds; r++) {
    for (let at = nextCandidate(start, end); at < end; at = nextCandidate(at + 1, end))
      check = check * 7 + ((at - start) as u32);
  }
  return check;
}

function emitNothing(_pointer: usize, _record: usize, _resume: Address): u32 {
  return 0;
}

/** Plans every site that weighCode found, each in a cluster of its own, and takes the plan back. */
export function planCode(rounds: u32): u32 {
  let check: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    beginPlan(TRAMPOLINE_SIZE, emitNothing, null);
    let end: u32 = CODE_SIZE;
    for (let i = siteCount; i > 0; i--) {
      const at = load<u32>(sites + ((i - 1) << 2));
      const window = windowOf(at);
      // Clusters do not overlap: what is above belongs to the site before.
      if (window + WINDOW > end) continue;
      end = window;
      const pointer = addCluster(CODE_ADDRESS + (window as u64), WINDOW);
      if (pointer == 0) break;
      const cluster = changetype<Cluster>(pointer);
      memory.copy(cluster.code, code + window, WINDOW);
      memory.copy(cluster.boundary, boundaries + (i - 1) * WINDOW, WINDOW);
      store<u32>(fates, at - window, 8);
      const result = planCluster(cluster, fates + 8, 1, fates);
      check = check * 31 + load<u8>(fates) + (result as u32);
      for (let at: u32 = 0; at < WINDOW; at += 4) check = (check ^ load<u32>(cluster.code + at)) * 0x01000193;
    }
    abandonPlan();
    releaseEmptySlots();
  }
  return check;
}
