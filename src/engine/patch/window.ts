// Instructions that match, a window of a mapping at a time: whole functions, as many as the engine has room to plan at once.
//
// Windows are patched from the highest to the lowest, as sites are: what lies behind a window is final, and its patched
// bytes are locked. The system calls of a window are sites of the same plan, or the two would overwrite each other.

import { PAGE_SIZE } from "../jit/pages";
import { revive } from "../jit/dormant";
import { Address, copyIn } from "../process";
import { hookCount } from "../hook/table";
import { countSites } from "../options";
import { hasActingHooks, hasMatchers, needsFunctions } from "../match";
import { STATS_NONE, statsMode } from "../options";
import { dropCopy, linkAddressOf } from "../scan/code-file";
import { isPadding, markBehind, markFront } from "../scan/evidence";
import { MATCHES, STARTS, forEachFilling, instructionsEnd, markFunction, neverGoesOn } from "../scan/instructions";
import { closeSymbols, openSymbols } from "../scan/symbols";
import {
  copyFunctionTable,
  functionCount,
  functionEnd,
  functionStart,
  functionTableSize,
  openFunctions,
  openReachedFunctions,
  readFunction,
} from "../scan/functions";
import { countProven, countSupposed, provenAt, supposedAt } from "../scan/reached";
import { isFiltered } from "../seccomp/filters";
import {
  FATE_REFUSED,
  FATE_UNPATCHED,
  INSTRUCTIONS,
  countFates,
  countFileWithoutTable,
  countFunctionWithData,
} from "../stats/counters";
import { decode } from "../x86/decode";
import { areFlagsDead } from "../x86/flags-dead";
import { Instruction } from "../x86/instruction";
import { allocateTemporary, closeTemporary, keepLinear, makeRoom, openTemporary } from "./arena";
import { Cluster } from "./cluster";
import { COUNTED, FLAGS_DEAD, hooksSize, instructionCookie, instructionTrampolineSize } from "./instruction-trampoline";
import { mappingDescriptor, rememberMapping } from "./mapping";
import { LOCK_FILLING, LOCK_FREE, LOCK_WRITTEN, lock } from "./locks";
import { TRAP_BYTE } from "./tactics";
import { TACTIC_B0, TACTIC_T3, addCluster, planCluster } from "./plan";
import { Moved, addRecord } from "./placement";
import { isCall } from "./relocate";
import {
  ENTRY,
  INSTRUCTION,
  LEADS_TO_PREFIX,
  PROVEN,
  REDIRECTED,
  RELAY,
  Record,
  SITE,
  STUB,
  VICTIM,
  carryLocks,
  findInstruction,
  findSite,
  isProven,
  originalBytes,
} from "./record";
import { planInBulk } from "./territory";
import { countAt, openCounts, placeCount } from "./site-counts";
import { SITE_LENGTH, SLACK, chooseSites, keepSites, siteAt, siteCount } from "./sites";

/** The end of a function, an instruction's start for all that is known; and a system call, beside the marks of scan/instructions.ts. */
const ENDS: u8 = 8;
const SYSTEM_CALL: u8 = 4;
/** Code of a window, a larger function is one of its own: with memory of its own to plan it in, and without. */
const WINDOW_MAX: u64 = 0x1000000;
const SMALL_WINDOW_MAX: u64 = 0x20000;
let windowMax: u64 = 0;
/** Beyond this a window is not planned: system calls far from any function are patched without their neighbours. */
export const PLANNED_MAX: u64 = 0x1800000;

/** Temporary memory of a window: three bytes for each of its code, what its sites need, and the unwind table. */
const TEMPORARY: usize = 0x6000000;

/** So much of linear memory is for system calls and threads; what is left over is for instructions. */
const RESERVE: usize = 0x600000;
/** Records and memory maps of trampolines for each site, at most but for rare code. */
const SITE_MEMORY: usize = 160;

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

let isSplit: bool = false;

/** The mapping that is planned next is of split pages, or of others: patches come back, and only what control reaches is known. */
export function planSplit(splits: bool): void {
  isSplit = splits;
}

/** Whether the mapping that was begun has instructions that are looked for. */
export function hasInstructionsToPlan(): bool {
  if (isSplit) {
    openReachedFunctions();
    // Nothing that looks like a system call, or nothing that can be decoded: no patch comes back there either.
    return siteCount != 0 || functionCount() != 0 || countSupposed() != 0;
  }
  if (!hasMatchers()) return false;
  if (mappingDescriptor() < 0) return false;
  openFunctions(mappingDescriptor());
  if (functionCount() != 0) return true;
  countFileWithoutTable();
  return false;
}

/** Patches the instructions and system calls in [low, high) of the mapping [start, end); patch/executable.ts does. */
type PatchWindow = (start: Address, end: Address, low: Address, high: Address, protection: u64) => void;

/** The functions of the window: indexes in the table. */
let firstFunction: u32 = 0;
let endFunction: u32 = 0;
/** Where the window's mapping starts, less its offset in the file: what turns one into the other. */
let bias: u64 = 0;

/** Takes functions in front of `endFunction` into a window that ends at `high`; gives where it starts. */
function takeFunctions(start: Address, high: Address): Address {
  let low = high;
  for (firstFunction = endFunction; firstFunction > 0; firstFunction--) {
    if (!readFunction(firstFunction - 1)) continue;
    const functionLow = functionStart + bias;
    if (functionLow < start || functionLow >= high) continue;
    if (high - functionLow > windowMax && low != high) return low;
    low = min(low, functionLow);
  }
  return start;
}

/**
 * Calls `patch` for each window of the mapping [start, end), which shows its file from `offset` on, with the system calls
 * of the window as `sites`.
 */
export function forEachWindow(start: Address, end: Address, offset: u64, protection: u64, patch: PatchWindow): void {
  keepSites();
  bias = start - offset;
  endFunction = functionCount();
  if (needsFunctions()) openSymbols(mappingDescriptor());
  const opened = end - start > SMALL_WINDOW_MAX && openTemporary(TEMPORARY);
  windowMax = opened ? WINDOW_MAX : SMALL_WINDOW_MAX;
  if (opened) copyTable();
  // A filter may end the process for the question what the file is called; without statistics it may never be asked.
  const isFile = mappingDescriptor() >= 0;
  if (isFile && (statsMode != STATS_NONE || (hookCount != 0 && !isFiltered))) rememberMapping();
  for (let high = end; high > start;) {
    const low = takeFunctions(start, high);
    chooseSites(low, high);
    patch(start, end, low, high, protection);
    high = low;
    endFunction = firstFunction;
  }
  closeSymbols();
  dropCopy();
  if (opened) closeTemporary();
}

function copyTable(): void {
  const size = functionTableSize();
  const pointer = size < TEMPORARY / 4 ? allocateTemporary(size) : 0;
  if (pointer != 0) copyFunctionTable(pointer);
}

/** The window's cluster while its functions are marked. */
let marked: Cluster = changetype<Cluster>(0);

function markFunctions(cluster: Cluster, high: Address): void {
  marked = cluster;
  // The end of the last function, if nothing goes on there.
  let behind: u32 = 0;
  for (let i = firstFunction; i < endFunction; i++) {
    if (!readFunction(i)) continue;
    const low = functionStart + bias;
    if (low < cluster.address || functionEnd + bias > high) continue;
    const at = (low - cluster.address) as u32;
    const size = (functionEnd - functionStart) as u32;
    // Functions that overlap (two entries of one piece of assembly) are marked once.
    if (load<u8>(cluster.boundary + at) & STARTS) continue;
    const marks = cluster.boundary + at;
    const called = wanted == 0 ? 0 : wanted + at;
    const address = linkAddressOf(functionStart);
    if (behind != 0) lockFilling(cluster, behind, at);
    behind = 0;
    if (!markFunction(cluster.code + at, size, marks, called, address, functionStart)) {
      countFunctionWithData();
      continue;
    }
    forEachFilling(cluster.code + at, marks, at, takeFilling);
    const end = at + instructionsEnd;
    if (end < cluster.size) store<u8>(cluster.boundary + end, load<u8>(cluster.boundary + end) | ENDS);
    if (neverGoesOn) behind = end;
  }
  if (behind != 0) lockFilling(cluster, behind, (high - cluster.address) as u32);
}

/** Filling inside of a function: its bytes are nobody's, and so nobody's sites. */
function takeFilling(functionOffset: usize, from: u32, to: u32): void {
  const low = (functionOffset as u32) + from;
  memory.fill(marked.boundary + low, 0, to - from);
  store<u8>(marked.boundary + low, ENDS);
  lock(marked.locks, low, to - from, LOCK_FILLING);
}

/** Compilers align functions to 64 bytes at most. */
const FILLING_MAX: u32 = 64;

/** What lies between two functions, the first of which ends there: if it is filling, it is the first one's last instruction's. */
function lockFilling(cluster: Cluster, from: u32, to: u32): void {
  if (to <= from || to - from > FILLING_MAX) return;
  for (let at = from; at < to; at += instruction.length) {
    if (load<u8>(cluster.boundary + at) & ~ENDS) return;
    if (
      decode(cluster.code + at, to - at, changetype<usize>(instruction)) == 0 ||
      !isPadding(cluster.code + at, instruction)
    )
      return;
  }
  for (let at = from; at < to; at++)
    if (load<u8>(cluster.locks + at) == LOCK_FREE) store<u8>(cluster.locks + at, LOCK_FILLING);
}

function markSystemCalls(cluster: Cluster): void {
  for (let i: u32 = 0; i < siteCount; i++) {
    const at = (siteAt(i) - cluster.address) as u32;
    // What control is not known to reach may be left of code that is gone: nothing but the call itself is known there.
    if (isSplit) store<u8>(cluster.boundary + at, load<u8>(cluster.boundary + at) | STARTS);
    if ((load<u8>(cluster.boundary + at) & STARTS) == 0) {
      markFront(cluster.code, cluster.size, at, cluster.boundary);
      markBehind(cluster.code, cluster.size, at, cluster.boundary, siteAt(i), cluster.size);
    }
    store<u8>(cluster.boundary + at, load<u8>(cluster.boundary + at) | SYSTEM_CALL);
  }
}

/** Trampoline's size of the instruction at an offset; 0 when it cannot be moved. */
function sizeAt(cluster: Cluster, at: u32, hooks: u32): u32 {
  const length = decode(cluster.code + at, cluster.size - at, changetype<usize>(instruction));
  const size = length == 0 ? 0 : instructionTrampolineSize(instruction);
  return size == 0 ? 0 : size + hooksSize(instruction, hooks);
}

/** Sites of the window: offsets, sizes (0: a system call), fates, and hooks with FLAGS_DEAD. */
let offsets: usize = 0;
let sizes: usize = 0;
let fates: usize = 0;
let hooks: usize = 0;
/** For each byte of the window, the hooks that are called in front of the instruction that starts there; 0 without hooks. */
let wanted: usize = 0;
/** Where the window starts. */
let base: Address = 0;
let count: u32 = 0;

/** MATCHES | SYSTEM_CALL in each byte. */
const SITE_MARKS: u64 = 0x0606060606060606;

/** Offset of the first site from `at` on, or `end`. */
function nextSite(cluster: Cluster, at: u32, end: u32): u32 {
  for (; at + 8 <= cluster.size; at += 8) {
    const marks = load<u64>(cluster.boundary + at) & SITE_MARKS;
    if (marks != 0) return min(at + ((ctz(marks) as u32) >> 3), end);
    if (at >= end) return end;
  }
  while (at < end && (load<u8>(cluster.boundary + at) & (MATCHES | SYSTEM_CALL)) == 0) at++;
  return at;
}

/**
 * Whether the instruction holds an address, or a constant that may be one: compilers read those back from code that they may change in
 * place (HotSpot's nativeInst_x86.hpp, V8's RelocInfo).
 */
function isReadBack(): bool {
  return instruction.immSize >= 4 || instruction.ripRelative != 0;
}

/** Whether the program may read and change the code while it runs. */
let isChanging: bool = false;

/** The mapping that is planned next is one that the program may write, or is not. */
export function planChangingCode(changes: bool): void {
  isChanging = changes;
}

/** Takes instructions that the program reads back out of the plan; gives how many of them matched. */
function lockReadBack(cluster: Cluster, end: u32): u32 {
  let matching: u32 = 0;
  for (let at: u32 = 0; at < end; at++) {
    const marks = load<u8>(cluster.boundary + at);
    if (!(marks & STARTS) || marks & SYSTEM_CALL) continue;
    if (decode(cluster.code + at, cluster.size - at, changetype<usize>(instruction)) == 0 || !isReadBack()) continue;
    lock(cluster.locks, at, instruction.length, LOCK_WRITTEN);
    if (marks & MATCHES) matching += 1;
    store<u8>(cluster.boundary + at, marks & ~MATCHES);
  }
  return matching;
}

/**
 * Leaves what lies behind calls in generated code alone: stacks are walked with it. Microsoft's unwinder takes a jump at a return address for
 * the end of a function (unwinder_amd64.cpp of .NET, "The epilogue" in the x64 exception handling ABI).
 */
function lockBehindCalls(cluster: Cluster, end: u32): void {
  for (let at: u32 = 0; at < end; at++) {
    if ((load<u8>(cluster.boundary + at) & (STARTS | SYSTEM_CALL)) != STARTS) continue;
    if (decode(cluster.code + at, cluster.size - at, changetype<usize>(instruction)) == 0) continue;
    if (!isCall(instruction)) continue;
    const next = at + instruction.length;
    if (next >= cluster.size || load<u8>(cluster.boundary + next) & (MATCHES | SYSTEM_CALL)) continue;
    if (decode(cluster.code + next, cluster.size - next, changetype<usize>(instruction)) == 0) continue;
    lock(cluster.locks, next, instruction.length, LOCK_WRITTEN);
  }
}

/** Lists the window's sites; false when the engine's memory is out. */
function listSites(cluster: Cluster, high: Address): bool {
  const end = (high - cluster.address) as u32;
  count = 0;
  for (let at = nextSite(cluster, 0, end); at < end; at = nextSite(cluster, at + 1, end)) count += 1;
  offsets = allocateTemporary((count as usize) * 8 + 16);
  if (offsets == 0) return false;
  hooks = offsets + ((count as usize) << 2);
  sizes = hooks + ((count as usize) << 1);
  fates = sizes + count;
  base = cluster.address;
  // Code in memory has no place that counts could be kept by.
  const counts = countSites && mappingDescriptor() >= 0 && openCounts(count, base - linkAddressOf(base - bias));
  count = 0;
  if (isSplit) lockBehindCalls(cluster, end);
  let refused: u32 = isChanging ? lockReadBack(cluster, end) : 0;
  for (let at = nextSite(cluster, 0, end); at < end; at = nextSite(cluster, at + 1, end)) {
    const marks = load<u8>(cluster.boundary + at);
    let acting: u32 = wanted == 0 ? 0 : load<u8>(wanted + at);
    if (acting == 0 && counts) acting = COUNTED;
    if (acting != 0 && areFlagsDead(cluster.code + at, end - at)) acting |= FLAGS_DEAD;
    const size = marks & SYSTEM_CALL ? 0 : sizeAt(cluster, at, acting);
    if (size == 0 && (marks & SYSTEM_CALL) == 0) {
      refused += 1;
      continue;
    }
    store<u32>(offsets + (count << 2), at);
    store<u8>(sizes + count, size);
    store<u16>(hooks + (count << 1), acting);
    if (acting & COUNTED && size != 0) placeCount(count, linkAddressOf(cluster.address + (at as u64) - bias));
    count += 1;
  }
  countFates(INSTRUCTIONS + FATE_REFUSED, refused);
  return true;
}

// ---- Patches of split pages that come back (jit/dormant.ts)

/** The cluster while patches come back. */
let reviving: Cluster = changetype<Cluster>(0);

/** The number of the site at an offset, or -1. */
function siteIndex(offset: u32): i32 {
  if (count == 0) return -1;
  const index = indexOf(base + (offset as u64));
  return load<u32>(offsets + (index << 2)) == offset ? (index as i32) : -1;
}

/** Whether control comes to no byte of an instruction but the first, and what its jump takes behind it is filling still. */
function isStillWhole(record: Record, offset: u32): bool {
  const length: u32 = instruction.length;
  for (let i: u32 = 1; i < length; i++) if (load<u8>(reviving.boundary + offset + i) & ~ENDS) return false;
  for (let i = length; i < (record.length as u32); i++)
    if (load<u8>(reviving.locks + offset + i) != LOCK_FILLING) return false;
  return true;
}

/** Whether a patch would be planned again, in code that has not changed. */
function isStillWanted(record: Record): bool {
  if (record.kind == RELAY) return !isChanging;
  if (record.kind == STUB) return true;
  if (record.kind == ENTRY) return isAmong(record.original, countSupposed(), supposedAt);
  if (record.kind == PROVEN) return isAmong(record.original, countProven(), provenAt);
  if (record.kind == REDIRECTED || record.entry == LEADS_TO_PREFIX) return false;
  if (isChanging && (record.tactic == TACTIC_T3 || record.tactic == TACTIC_B0) && record.kind == INSTRUCTION)
    return false;
  const offset = (record.original - base) as u32;
  decode(originalBytes(record), record.length, changetype<usize>(instruction));
  if (!isStillWhole(record, offset)) return false;
  const index = siteIndex(offset);
  if (record.kind == VICTIM) {
    const isKnown = (load<u8>(reviving.boundary + offset) & STARTS) != 0;
    return index < 0 && isKnown && !(isChanging && isReadBack());
  }
  if (index < 0) return false;
  if (record.kind == SITE) return load<u8>(sizes + index) == 0;
  return (
    load<u8>(sizes + index) != 0 && record.cookie == instructionCookie(instruction, load<u16>(hooks + (index << 1)))
  );
}

/** Whether a function is among those that are supposed, or known, to be there. */
function isAmong(address: Address, size: u32, at: (index: u32) => Address): bool {
  for (let i: u32 = 0; i < size; i++) if (at(i) == address) return true;
  return false;
}

function isRevived(site: Address): bool {
  return findSite(site) != 0 || findInstruction(site) != 0;
}

/** Takes the sites that came back out of the list. */
function dropRevived(): void {
  let left: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const offset = load<u32>(offsets + (i << 2));
    if (isRevived(base + (offset as u64))) continue;
    store<u32>(offsets + (left << 2), offset);
    store<u16>(hooks + (left << 1), load<u16>(hooks + (i << 1)));
    store<u8>(sizes + left, load<u8>(sizes + i));
    left += 1;
  }
  count = left;
}

/** Brings back what is dormant in the pages of a cluster, up to `high`. */
function reviveAll(cluster: Cluster, high: Address): void {
  reviving = cluster;
  let revived: u32 = 0;
  for (let page = cluster.address; page < high; page += PAGE_SIZE)
    revived += revive(page, cluster.code + ((page - cluster.address) as usize), isStillWanted);
  if (revived == 0) return;
  carryLocks(cluster.locks, cluster.address, (high - cluster.address) as u32);
  dropRevived();
}

const first = changetype<Moved>(memory.data(offsetof<Moved>(), 8));

/** Adds the record of a function in generated code. @param length of what is written there */
function addFunction(cluster: Cluster, address: Address, length: u32, kind: u8): void {
  first.address = address;
  first.bytes = cluster.code + ((address - cluster.address) as usize);
  first.length = length;
  addRecord(first, kind);
}

/** Traps where functions are supposed to begin, and notes of those that ran. */
function addFunctions(cluster: Cluster): void {
  for (let i: u32 = 0; i < countProven(); i++) if (!isProven(provenAt(i))) addFunction(cluster, provenAt(i), 0, PROVEN);
  for (let i: u32 = 0; i < countSupposed(); i++) {
    const offset = (supposedAt(i) - cluster.address) as u32;
    if (load<u8>(cluster.locks + offset) != LOCK_FREE || load<u8>(cluster.boundary + offset) != 0) continue;
    addFunction(cluster, supposedAt(i), 1, ENTRY);
    store<u8>(cluster.code + offset, TRAP_BYTE);
    lock(cluster.locks, offset, 1, LOCK_WRITTEN);
  }
}

/**
 * Plans the sites in [low, high) of the mapping that ends at `end`, in the plan that is open.
 * @returns the cluster, or 0 when the engine's memory is out
 */
export function planWindow(end: Address, low: Address, high: Address): usize {
  const clusterEnd = min(end, high + SITE_LENGTH + SLACK);
  const pointer = addCluster(low, (clusterEnd - low) as u32);
  if (pointer == 0) return 0;
  const cluster = changetype<Cluster>(pointer);
  copyIn(cluster.code, low, cluster.size);
  const inside = (high - low) as u32;
  carryLocks(cluster.locks + inside, high, cluster.size - inside);
  wanted = 0;
  if (hasActingHooks()) {
    wanted = allocateTemporary(cluster.size);
    if (wanted == 0) return 0;
  }
  markFunctions(cluster, high);
  markSystemCalls(cluster);
  if (!listSites(cluster, high)) return 0;
  if (isSplit) {
    reviveAll(cluster, high);
    if (!isChanging && hasMatchers()) addFunctions(cluster);
  }
  if (hasMatchers()) planInBulk();
  keepLinear(RESERVE);
  const isPlanned = makeRoom(count * SITE_MEMORY) && planCluster(cluster, offsets, count, fates, sizes) >= 0;
  keepLinear(0);
  return isPlanned ? pointer : 0;
}

/** The number of a site of the window. */
function indexOf(site: Address): u32 {
  const offset = (site - base) as u32;
  let low: u32 = 0;
  for (let high = count; low + 1 < high;) {
    const middle = (low + high) >> 1;
    if (load<u32>(offsets + (middle << 2)) <= offset) low = middle;
    else high = middle;
  }
  return low;
}
/** The hooks at a site, which is an instruction, with FLAGS_DEAD and COUNTED. */
export function hooksAt(site: Address): u32 {
  return load<u16>(hooks + (indexOf(site) << 1));
}
/** Where it is counted. */
export function countOf(site: Address): Address {
  return countAt(indexOf(site));
}

/** Calls `visit` with the tactic, and the address of a system call or 0, of each site that was planned. */
export function forEachPlanned(cluster: Cluster, visit: (tactic: u32, systemCall: Address) => void): void {
  for (let i: u32 = 0; i < count; i++) {
    const address = cluster.address + (load<u32>(offsets + (i << 2)) as u64);
    visit(load<u8>(fates + i), load<u8>(sizes + i) == 0 ? address : 0);
  }
}

/** The statistics' name for the fate of an instruction. */
export function fateOfInstruction(tactic: u32): u32 {
  return tactic == TACTIC_B0 ? FATE_UNPATCHED : tactic - 1;
}
