// Plans: many sites of one mapping, planned whole and then applied whole (invariant I4).
//
//   beginPlan(size, emit, explore)
//   cluster = addCluster(address, size)      fill cluster.code, .boundary (and .locks, .cookie)
//   planCluster(cluster, offsets, count, fates)
//   ...                                      more clusters, from the highest address to the lowest
//   commitPlan() == 0                        trampolines are in the process; write each cluster.code back, then
//   endPlan()                                its memory is released
// or
//   abandonPlan()                            at any point before: nothing is left
//
// Until `commitPlan` nothing of the program is touched; what the planner maps in the meantime is empty, read-write and
// unmapped again by `abandonPlan`. The caller writes the clusters back because only it knows how the code's pages can be
// written: all at once if no thread can run them yet. Between commit and write-back the trampolines exist and nothing
// leads to them; a caller that cannot write its code back calls `forgetRange` for it.
//
// A site that no tactic fits has fate TACTIC_B0: the caller puts a trap there (its bytes are kept free of puns and
// victims), or leaves it alone.
//
// One plan at a time, under the engine lock.

import { Address } from "../process";
import { Instruction } from "../x86/instruction";
import { decode } from "../x86/decode";
import { allocateTemporary, releaseTemporary, temporaryMark } from "./arena";
import { Cluster, Explore, decodeAt } from "./cluster";
import { LOCK_PENDING, lock } from "./locks";
import { boundSites, isOutOfMemory, newestRecord, resetPlacement, setCookie, takeRecords, undoTo } from "./placement";
import { DISTANCE_MAX } from "./reach";
import { ENTERED_BY_CALL, Record, SITE, STUB, VICTIM, hasTrampoline, originalBytes, publish } from "./record";
import { RELOCATED_MAX, JUMP_SIZE, doneOffset, emitJump, endsFlow, placeOf, relocate } from "./relocate";
import { FLOW_LOOP } from "../x86/instruction";
import { Emit } from "./site-trampoline";
import { PAGE_SHIFT, PAGE_SIZE } from "./slot";
import { ensureHome } from "./search";
import { bytesToRelocate, isPrefixSkipped, leadToPrefix, settleBranch, skipsOneByte } from "./skipped-prefix";
import {
  beginTerritory,
  prepareTerritory,
  sealTerritory,
  settleTerritory,
  swapTerritory,
  withdrawTerritory,
  writeTerritory,
} from "./territory";
import { onlyTraps } from "../options";
import { TACTIC_B0, planSite, planTrap, setExplorer } from "./tactics";

export { TACTIC_B0, TACTIC_B1, TACTIC_B2, TACTIC_T1, TACTIC_T2, TACTIC_T3 } from "./tactics";

/** Fate of a site that the planner itself has made a trap. */
export const TRAPPED: u8 = 6;

const ENOMEM: i32 = 12;

const PLAN_NONE: u32 = 0;
const PLAN_OPEN: u32 = 1;
const PLAN_COMMITTED: u32 = 2;

let state: u32 = 0; // PLAN_NONE
let trampolineSize: u32 = 0;
let emitIndex: u32 = 0;
let memoryMark: usize = 0;

/** Bytes of one trampoline on their way to the process. */
const buffer = memory.data(4096, 16);
const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/**
 * Starts a plan.
 * @param size most bytes of a site's trampoline
 * @param emit who writes them at the commit
 * @param explore who finds more instruction starts of a cluster (patch/cluster.ts), or null when all are marked
 */
export function beginPlan(size: u32, emit: Emit, explore: Explore | null): void {
  assert(state == PLAN_NONE, "a plan is begun while another is open");
  assert(size >= JUMP_SIZE && size <= PAGE_SIZE, "a trampoline is at most a page");
  state = PLAN_OPEN;
  trampolineSize = size;
  emitIndex = emit.index as u32;
  setExplorer(explore == null ? 0 : (explore.index as u32));
  memoryMark = temporaryMark();
  resetPlacement();
  beginTerritory();
}

/** Keeps all site trampolines' first bytes in [low, high]: within reach of what their code jumps to or reads. */
export function boundTrampolines(low: Address, high: Address): void {
  assert(state == PLAN_OPEN, "no plan is open");
  boundSites(low as i64, high as i64);
}

/**
 * Memory for a piece of code: `code`, `boundary` and `locks` of `size` bytes, the last two zero.
 * @returns a `Cluster`, or 0 when the engine's memory is out
 */
export function addCluster(address: Address, size: u32): usize {
  assert(state == PLAN_OPEN, "no plan is open");
  const pointer = allocateTemporary(offsetof<Cluster>() + 3 * (size as usize));
  if (pointer == 0) return 0;
  const cluster = changetype<Cluster>(pointer);
  cluster.address = address;
  cluster.size = size;
  cluster.code = pointer + offsetof<Cluster>();
  cluster.boundary = cluster.code + size;
  cluster.locks = cluster.boundary + size;
  cluster.cookie = 0;
  memory.fill(cluster.boundary, 0, 2 * (size as usize));
  return pointer;
}

/**
 * Plans the sites of a cluster, back to front.
 * @param offsets u32 for each site, ascending, in the cluster
 * @param sizes a byte for each site: most bytes of its trampoline, or 0 for that of `beginPlan`. A site with a size of its own
 *     that no tactic fits gets a trap of one byte, with a trampoline, here: TRAPPED. 0 (null): none has.
 * @param fates gets a byte for each site: its tactic, TRAPPED, or TACTIC_B0 for one that is the caller's
 * @returns the number of sites that have TACTIC_B0, or -ENOMEM when the engine's memory is out: the plan must be abandoned
 */
export function planCluster(cluster: Cluster, offsets: usize, count: u32, fates: usize, sizes: usize = 0): i32 {
  assert(state == PLAN_OPEN, "no plan is open");
  setCookie(cluster.cookie);
  ensureHome(cluster.address);
  for (let i: u32 = 0; i < count; i++) {
    const offset = load<u32>(offsets + (i << 2));
    const length = decodeAt(cluster, offset, instruction);
    lock(cluster.locks, offset, max(length, 1), LOCK_PENDING);
  }
  let trapped = 0;
  for (let i = count; i-- > 0;) {
    const offset = load<u32>(offsets + (i << 2));
    const length = decodeAt(cluster, offset, instruction);
    const ownSize: u32 = sizes == 0 ? 0 : load<u8>(sizes + i);
    const isBranchOverByte = length != 0 && skipsOneByte(instruction, cluster.code + offset);
    if (isPrefixSkipped(cluster, offset)) leadToPrefix(cluster, offset);
    let tactic = TACTIC_B0;
    if (length != 0 && !onlyTraps)
      tactic = planSite(cluster, offset, instruction, ownSize == 0 ? trampolineSize : ownSize, ownSize != 0);
    if (tactic == TACTIC_B0 && ownSize != 0 && planTrap(cluster, offset, instruction, ownSize)) tactic = TRAPPED;
    if (isBranchOverByte) settleBranch(cluster, offset, tactic != TACTIC_B0);
    if (isOutOfMemory()) return -ENOMEM;
    store<u8>(fates + i, tactic);
    if (tactic == TACTIC_B0) trapped += 1;
  }
  return trapped;
}

/** The records of a site: its own, its victim's, a stub's, a relay's. The next site's come behind them. */
const RECORDS_OF_TWO_SITES: u32 = 8;

/**
 * Where a trampoline leads when its instruction is done: to the next instruction, or at once to that one's trampoline, if it has one
 * in the same page of code. What only follows another patched instruction is then never entered by its own jump, or by its trap.
 * The page is for what happens when code goes away (`widenToPatches`): it takes those with it that lead into it.
 */
function resumeAddress(record: Record): Address {
  const next = record.original + (record.length as u64);
  if (next >> (PAGE_SHIFT as u64) != record.original >> (PAGE_SHIFT as u64)) return next;
  let pointer = record.inPage;
  for (let i: u32 = 0; i < RECORDS_OF_TWO_SITES && pointer != 0; i++) {
    const other = changetype<Record>(pointer);
    pointer = other.inPage;
    if (other.original != next || (other.kind != SITE && other.kind != VICTIM)) continue;
    // A trampoline that is entered by a call finds the address pushed.
    if (other.entry == ENTERED_BY_CALL) return next;
    const distance = (other.address - record.address) as i64;
    // Both are in reach of the code, but one may lie far below it and the other far above.
    if (distance < -DISTANCE_MAX || distance > DISTANCE_MAX) return next;
    record.locked = max<u8>(record.locked, record.length + 1);
    return other.address;
  }
  return next;
}

/** Writes a victim's trampoline into the buffer: the instruction, and the jump back if it can fall through. */
function emitVictim(record: Record): u32 {
  const bytes = originalBytes(record);
  decode(bytes, record.length, changetype<usize>(instruction));
  if (record.entry == ENTERED_BY_CALL) {
    const reached = emitJump(buffer, record.address, placeOf(instruction, bytes, record.original));
    assert(reached, "an evicted call does not reach where it goes");
    return JUMP_SIZE;
  }
  const size = relocate(instruction, bytesToRelocate(record), record.original, buffer, record.address);
  assert(size != 0, "a victim does not fit where it was planned");
  assert(size <= RELOCATED_MAX, "a relocated instruction is longer than any");
  record.done = doneOffset(instruction) as u8;
  if (endsFlow(instruction) || instruction.flow == FLOW_LOOP) return size;
  const reached = emitJump(buffer + size, record.address + (size as u64), resumeAddress(record));
  assert(reached, "a victim's jump back is out of reach");
  return size + JUMP_SIZE;
}

function emitSite(record: Record): u32 {
  return call_indirect<u32>(emitIndex, buffer, changetype<usize>(record), resumeAddress(record));
}

function emitStub(record: Record): u32 {
  const reached = emitJump(buffer, record.address, changetype<Record>(record.companion).address);
  assert(reached, "a stub does not reach its trampoline");
  return JUMP_SIZE;
}

function writeTrampolines(): void {
  for (let pointer = newestRecord(); pointer != 0;) {
    const record = changetype<Record>(pointer);
    pointer = record.inPage;
    if (!hasTrampoline(record)) continue;
    const size = record.kind == SITE ? emitSite(record) : record.kind == STUB ? emitStub(record) : emitVictim(record);
    assert(size <= (record.size as u32), "a trampoline is bigger than was planned");
    writeTerritory(record.address, buffer, size);
  }
}

/**
 * Puts the trampolines of the plan into the process and makes their records known.
 * @returns 0: the clusters can be written back, then `endPlan` releases them; or -errno: everything is undone, the plan is over
 */
export function commitPlan(): i32 {
  assert(state == PLAN_OPEN, "no plan is open");
  let result = prepareTerritory();
  if (result == 0) {
    writeTrampolines();
    result = sealTerritory();
  }
  if (result == 0) result = swapTerritory();
  if (result != 0) {
    abandonPlan();
    return result;
  }
  for (let pointer = takeRecords(); pointer != 0;) {
    const record = changetype<Record>(pointer);
    pointer = record.inPage;
    record.inPage = 0;
    record.companion = 0;
    publish(record);
  }
  settleTerritory();
  state = PLAN_COMMITTED;
  return 0;
}

/** Releases the clusters of a committed plan. */
export function endPlan(): void {
  assert(state == PLAN_COMMITTED, "no plan is committed");
  releaseTemporary(memoryMark);
  state = PLAN_NONE;
}

/** Gives the plan up: nothing of it is left in the process or in the engine. */
export function abandonPlan(): void {
  assert(state == PLAN_OPEN, "no plan is open");
  undoTo(0);
  withdrawTerritory();
  releaseTemporary(memoryMark);
  state = PLAN_NONE;
}
