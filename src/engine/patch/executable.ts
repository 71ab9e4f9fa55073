// An executable mapping, from its birth without PROT_EXEC to the moment it may run: find sites, plan, apply, protect.

import { addressOf, isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_CLOCK_GETTIME, SYS_FSTAT, SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP } from "../kernel/numbers";
import {
  FileHeader,
  PF_X,
  PT_LOAD,
  ProgramHeader,
  PROGRAM_HEADER_SIZE,
  pageCeil,
  pageFloor,
  protectionOf,
} from "../load/elf";
import {
  Address,
  copyIn,
  copyOut,
  peek16,
  peek32,
  peek64,
  poke16,
  programSyscall,
  syscall,
  tryCopyIn,
} from "../process";
import { forgetDormant } from "../jit/dormant";
import { exchangeBytes } from "../jit/exchange";
import { STATS_NONE, onlyTraps, statsMode } from "../options";
import { refusesExecution } from "../kernel/write-execute";
import { hasMatchers } from "../match";
import { gsBaseSeen, nextCandidate } from "../scan/candidates";
import { allIsCode, findCodeRanges } from "../scan/sections";
import { closeReached, openReached, reachesBeyond } from "../scan/reached";
import { markBehind, markFront } from "../scan/evidence";
import {
  FATE_B1,
  FATE_TRAP,
  INSTRUCTIONS,
  countFate,
  countFates,
  countMapping,
  countSearched,
  countTime,
  countUnplanned,
  countUnsearched,
} from "../stats/counters";
import { WHY_ENGINE_MEMORY, WHY_PROTECTED } from "../stats/left-alone";
import { isTorn } from "../thread/lock";
import { SYSCALL_TRAMPOLINE_SIZE, emitSyscallTrampoline } from "../thread/trampoline";
import { Cluster } from "./cluster";
import { PATCHED, addCode, cutCode, forgetClosed, hasCode, rememberClosed } from "./code-map";
import { IN_MEMORY, NO_FILE, beginMapping } from "./mapping";
import { instructionIslandOf, islandOf, outpostFor, reachHigh, reachLow } from "./outpost";
import {
  TACTIC_B0,
  TACTIC_B1,
  abandonPlan,
  addCluster,
  beginPlan,
  boundTrampolines,
  commitPlan,
  endPlan,
  planCluster,
} from "./plan";
import { allowRelaysAndTraps } from "./tactics";
import { makePrivate } from "./private-pages";
import { allocateTemporary, releaseTemporary, temporaryMark } from "./arena";
import { emitInstructionTrampoline } from "./instruction-trampoline";
import { Record, countRetired, forgetRange, originalBytes, restoreCopy, retireRange } from "./record";
import {
  SITE_LENGTH,
  SLACK,
  copyWindow,
  findSites,
  leaveAlone,
  siteAt,
  siteCount,
  sites,
  useOldSites,
  windowCode,
  windowSize,
  windowStart,
} from "./sites";
import { dropCounts, keepCounts } from "./site-counts";
import { SYSCALL_BYTES, TRAP_BYTES, addTraps, forgetTraps } from "./traps";
import {
  PLANNED_MAX,
  fateOfInstruction,
  forEachPlanned,
  forEachWindow,
  hasInstructionsToPlan,
  hooksAt,
  countOf,
  planChangingCode,
  planSplit,
  planWindow,
} from "./window";
import { yieldGs } from "./yield-gs";
import { describeAgain, describeCode, describeCodeInMemory, forgetDescribed } from "../debug/describe";

const PROT_READ: u64 = 1;
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_SHARED: u64 = 1;
const MAP_FIXED: u64 = 0x10;
const MAP_PRIVATE: u64 = 2;
const MAP_TYPE: u64 = 0xf;
const MAP_SHARED_VALIDATE: u64 = 3;

/** Sites closer than this share a cluster. */
const CLUSTER_GAP: u64 = 2 * SLACK;
/** How far from a site tactics look for victims: what is known of other sites' surroundings from there on is no use. */
const NEIGHBOURHOOD: u64 = 176;

/** The outpost of the plan that is open. */
let outpost: Address = 0;

const offsets = memory.data(131072, 8);
const fates = memory.data(32768, 8);
const time = memory.data(16, 8);

const CLOCK_MONOTONIC: u64 = 1;

function nanoseconds(): u64 {
  if (statsMode == STATS_NONE) return 0;
  syscall2(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, addressOf(time));
  return load<u64>(time) * 1000000000 + load<u64>(time, 8);
}

function emit(pointer: usize, recordPointer: usize, resume: Address): u32 {
  const record = changetype<Record>(recordPointer);
  const isSystemCall = record.length == (SITE_LENGTH as u8) && load<u16>(originalBytes(record)) == SYSCALL_BYTES;
  if (!isSystemCall)
    return emitInstructionTrampoline(
      pointer,
      record,
      resume,
      hooksAt(record.original),
      countOf(record.original),
      instructionIslandOf(outpost),
    );
  emitSyscallTrampoline(pointer, record.address, record.original, outpost, islandOf(outpost), resume);
  return SYSCALL_TRAMPOLINE_SIZE;
}

/** The mapping and the sites of the cluster that is being planned, for `explore`. */
let mappingStart: Address = 0;
let mappingEnd: Address = 0;
let firstOfCluster: u32 = 0;
let lastOfCluster: u32 = 0;

/** How many instructions from a site on are looked at before a tactic asks for more: the successor, and where it ends. */
const BEHIND: u32 = 2;

/** For each site of the mapping, whether `explore` has been there. */
const explored = memory.data(32768, 8);

/**
 * Marks the instruction starts around the sites near an offset of the cluster that is being planned. The cluster's copy is
 * half patched by now, the process is not.
 */
function explore(pointer: usize, offset: u32): void {
  const cluster = changetype<Cluster>(pointer);
  const place = cluster.address + (offset as u64);
  for (let i = firstOfCluster; i <= lastOfCluster; i++) {
    const at = siteAt(i);
    if (load<u8>(explored + i) || at + NEIGHBOURHOOD < place || at > place + NEIGHBOURHOOD) continue;
    store<u8>(explored + i, 1);
    const inWindow = copyWindow(mappingStart, mappingEnd, at);
    // A window lies within its site's cluster.
    const boundary = cluster.boundary + ((windowStart - cluster.address) as usize);
    markFront(windowCode, windowSize, inWindow, boundary);
    markBehind(windowCode, windowSize, inWindow, boundary, at, windowSize);
  }
}

/** Makes and plans the cluster of sites [first, last]; gives it, or 0 when the engine's memory is out. */
function planSites(start: Address, end: Address, first: u32, last: u32): usize {
  const low = siteAt(first) - start > (SLACK as u64) ? siteAt(first) - SLACK : start;
  const high = min(end, siteAt(last) + SITE_LENGTH + SLACK);
  const pointer = addCluster(low, (high - low) as u32);
  if (pointer == 0) return 0;
  const cluster = changetype<Cluster>(pointer);
  copyIn(cluster.code, low, cluster.size);
  for (let i = first; i <= last; i++) {
    const offset = (siteAt(i) - low) as u32;
    store<u32>(offsets + ((i - first) << 2), offset);
    markBehind(cluster.code, cluster.size, offset, cluster.boundary, siteAt(i), BEHIND);
  }
  mappingStart = start;
  mappingEnd = end;
  firstOfCluster = first;
  lastOfCluster = last;
  memory.fill(explored + first, 0, last - first + 1);
  if (planCluster(cluster, offsets, last - first + 1, fates) < 0) return 0;
  return pointer;
}

/** Clusters of the open plan, to be written back: at most one for each site. */
const clusters = memory.data(131072, 8);
let clusterCount: u32 = 0;
/** Fates that count once the plan is committed: FATE_* by tactic. */
const planned = memory.data(32, 8);

/** Sites of the open plan that no tactic fits: u64 addresses. */
const trapped = memory.data(262144, 8);
let trappedCount: u32 = 0;

function addPlanned(tactic: u32): void {
  store<u32>(planned + (tactic << 2), load<u32>(planned + (tactic << 2)) + 1);
}

/** Plans every site, from the highest address to the lowest; false when the engine's memory is out. */
function planAll(start: Address, end: Address): bool {
  clusterCount = 0;
  trappedCount = 0;
  memory.fill(planned, 0, 32);
  let last = siteCount;
  while (last > 0) {
    last--;
    let first = last;
    while (first > 0 && siteAt(first) - siteAt(first - 1) < CLUSTER_GAP) first--;
    const pointer = planSites(start, end, first, last);
    if (pointer == 0) return false;
    for (let i: u32 = 0; i <= last - first; i++) {
      const tactic = load<u8>(fates + i);
      if (tactic == TACTIC_B0) store<u64>(trapped + (trappedCount++ << 3), siteAt(first + i));
      else addPlanned(tactic);
    }
    store<u32>(clusters + (clusterCount++ << 2), pointer as u32);
    last = first;
  }
  return true;
}

/** Whether the code that is being patched was mapped by the program, which may share it with others. */
let mayBeShared: bool = false;

/** Puts the bytes that were planned for split pages in the place of others; `expected` has them, too. */
function exchangePlanned(address: Address, from: usize, to: usize, size: u32): void {
  exchangeBytes(address, from, to, size);
  if (expected != 0) memory.copy(expected + ((address - expectedStart) as usize), to, size);
}

/**
 * Writes the cluster of a committed plan, and the traps, into split pages, [start, start + size); false when that cannot be. Where
 * nothing changes, as on nearly all pages, they are not opened.
 */
function exchangeSplit(start: Address, size: u64, readable: u64): bool {
  assert(clusterCount <= 1, "split pages are planned as one cluster");
  const cluster = changetype<Cluster>(clusterCount == 0 ? 0 : load<u32>(clusters));
  const mark = temporaryMark();
  let before: usize = 0;
  let changes = trappedCount != 0;
  if (cluster) {
    before = allocateTemporary(cluster.size);
    if (before == 0) return false;
    memory.copy(before, cluster.code, cluster.size);
    restoreCopy(before, cluster.address, cluster.size);
    changes = changes || memory.compare(before, cluster.code, cluster.size) != 0;
  }
  if (changes) rememberClosed(start, start + size);
  const isOpen = !changes || syscall3(SYS_MPROTECT, start, size, PROT_READ | PROT_WRITE) == 0;
  if (changes && isOpen) {
    if (cluster) exchangePlanned(cluster.address, before, cluster.code, cluster.size);
    for (let i: u32 = 0; i < trappedCount; i++) exchangePlanned(load<u64>(trapped + (i << 3)), siteBytes, trapBytes, 2);
    syscall3(SYS_MPROTECT, start, size, readable);
  }
  releaseTemporary(mark);
  return isOpen;
}
const siteBytes = memory.data<u16>([SYSCALL_BYTES as u16]);
const trapBytes = memory.data<u16>([TRAP_BYTES as u16]);

/** Whether the pages that are patched are split (jit/pages.ts), and what those that others may write should be afterwards, or 0. */
let isSplit: bool = false;
let expected: usize = 0;
let expectedStart: Address = 0;

/** Writes the clusters of a committed plan to the process; false when their pages cannot be written. */
function writeClusters(low: Address, high: Address, readable: u64): bool {
  const start = pageFloor(low);
  const size = pageCeil(high) - start;
  if (mayBeShared && !makePrivate(start, size, readable)) return false;
  if (isSplit) return exchangeSplit(start, size, readable);
  rememberClosed(start, start + size);
  if (syscall3(SYS_MPROTECT, start, size, PROT_READ | PROT_WRITE) != 0) return false;
  for (let i: u32 = 0; i < clusterCount; i++) {
    const cluster = changetype<Cluster>(load<u32>(clusters + (i << 2)));
    copyOut(cluster.address, cluster.code, cluster.size);
  }
  for (let i: u32 = 0; i < trappedCount; i++) poke16(load<u64>(trapped + (i << 3)), TRAP_BYTES);
  if (syscall3(SYS_MPROTECT, start, size, readable) == 0) return true;
  // Memory for one more mapping is out: the code must not lead to trampolines that are about to be freed.
  for (let i: u32 = 0; i < clusterCount; i++) {
    const cluster = changetype<Cluster>(load<u32>(clusters + (i << 2)));
    restoreCopy(cluster.code, cluster.address, cluster.size);
    copyOut(cluster.address, cluster.code, cluster.size);
  }
  for (let i: u32 = 0; i < trappedCount; i++) poke16(load<u64>(trapped + (i << 3)), SYSCALL_BYTES);
  return false;
}

function leaveAllAlone(why: u32): void {
  for (let i: u32 = 0; i < siteCount; i++) leaveAlone(siteAt(i), why);
}

/**
 * Patches the sites in [start, end), which no thread can run. Whatever fails leaves the code as it was (I7).
 * @param protection what the pages have, and get back
 * @param offset where in its file the range starts: the code ranges (scan/sections.ts) are the file's
 */
function patchRange(start: Address, end: Address, protection: u64, offset: u64): void {
  const began = nanoseconds();
  areOld = false;
  findSites(start, end, offset);
  // The program may be about to use gs base itself. Without memory for that it is looked at again with the next mapping.
  if (gsBaseSeen) yieldGs();
  if (hasInstructionsToPlan()) forEachWindow(start, end, offset, protection, patchWindow);
  else if (siteCount != 0) patchSites(start, end, protection);
  countTime(nanoseconds() - began);
}

/** Plans jumps and puts their trampolines into the process; false when memory is out, and nothing has changed. */
function commitJumps(start: Address, end: Address): bool {
  beginPlan(SYSCALL_TRAMPOLINE_SIZE, emit, explore);
  boundTrampolines(reachLow(outpost), reachHigh(outpost));
  if (planAll(start, end)) return commitPlan() == 0;
  abandonPlan();
  return false;
}

/** Every site is to become a trap. */
function trapAll(): void {
  clusterCount = 0;
  memory.fill(planned, 0, 32);
  memory.copy(trapped, sites, siteCount << 3);
  trappedCount = siteCount;
}

/** Whether the sites have been counted before. */
let areOld: bool = false;
/** So many trampolines may wait for their release: from then on sites that are patched again become traps. */
const RETIRED_MAX: u32 = 32768;

function patchSites(start: Address, end: Address, protection: u64): void {
  outpost = outpostFor(start, end);
  const hasPlan = !isSplit && outpost != 0 && commitJumps(start, end);
  if (!hasPlan) trapAll();
  const low = siteAt(0) - min(SLACK as u64, siteAt(0) - start);
  applyPlan(low, min(siteAt(siteCount - 1) + SITE_LENGTH + SLACK, end), protection);
  if (hasPlan) endPlan();
}

/** Writes what was planned for [low, high), or the traps of its sites, into the process. */
function applyPlan(low: Address, high: Address, protection: u64): void {
  const wanted = trappedCount;
  // Generated code comes and goes: its traps lead straight to the gate, and leave no trampolines behind.
  if (trappedCount != 0) trappedCount = addTraps(trapped, trappedCount, isSplit ? 0 : outpost);
  if (!writeClusters(low, high, protection)) {
    // Threads may be in trampolines that came back.
    if (isSplit) retireRange(low, high);
    forgetPatches(low, high);
    leaveAllAlone(WHY_PROTECTED);
  } else if (!areOld) {
    for (let tactic: u32 = TACTIC_B1; tactic < 8; tactic++)
      countFates(FATE_B1 + tactic - TACTIC_B1, load<u32>(planned + (tactic << 2)));
    countFates(FATE_TRAP, trappedCount);
    for (let i: u32 = trappedCount; i < wanted; i++) leaveAlone(load<u64>(trapped + (i << 3)), WHY_ENGINE_MEMORY);
  }
}

function addWindowSite(tactic: u32, systemCall: Address): void {
  if (systemCall == 0) countFate(INSTRUCTIONS + fateOfInstruction(tactic));
  else if (tactic == TACTIC_B0) store<u64>(trapped + (trappedCount++ << 3), systemCall);
  else addPlanned(tactic);
}

/** The same as `commitJumps` for the instructions and system calls of [low, high). */
function commitWindow(end: Address, low: Address, high: Address): bool {
  beginPlan(SYSCALL_TRAMPOLINE_SIZE, emit, null);
  boundTrampolines(reachLow(outpost), reachHigh(outpost));
  const pointer = planWindow(end, low, high);
  if (pointer == 0) abandonPlan();
  if (pointer == 0 || commitPlan() != 0) {
    dropCounts();
    // What came back has not been written.
    if (isSplit) retireRange(low, high);
    return false;
  }
  keepCounts();
  clusterCount = 1;
  store<u32>(clusters, pointer as u32);
  trappedCount = 0;
  memory.fill(planned, 0, 32);
  forEachPlanned(changetype<Cluster>(pointer), addWindowSite);
  return true;
}

/** Patches the instructions that match and the system calls (`sites`) in [low, high), a part of the mapping [start, end). */
function patchWindow(start: Address, end: Address, low: Address, high: Address, protection: u64): void {
  outpost = outpostFor(start, end);
  const isLarge = high - low > PLANNED_MAX || countRetired() >= RETIRED_MAX;
  if (outpost == 0 || isLarge || !commitWindow(end, low, high)) {
    countUnplanned(high - low);
    if (siteCount != 0) patchSites(start, end, protection);
    return;
  }
  const cluster = changetype<Cluster>(load<u32>(clusters));
  applyPlan(low, low + (cluster.size as u64), protection);
  endPlan();
}

/** struct stat: st_size is at 48. */
const fileStat = memory.data(144, 8);

/** How much of a mapping of a file can be read: behind the file's last page is SIGBUS. */
function readableSize(size: u64, descriptor: i32, offset: u64): u64 {
  if (syscall2(SYS_FSTAT, descriptor, addressOf(fileStat)) != 0) return 0;
  const fileSize = pageCeil(load<u64>(fileStat, 48));
  if (offset >= fileSize) return 0;
  return size < fileSize - offset ? size : fileSize - offset;
}

/**
 * mmap of a file with PROT_EXEC: its code is patched before it can run. A shared mapping that cannot be written is made
 * private, so that no file on disk ever changes (I9).
 * @returns what mmap gives
 */
export function mapExecutable(address: u64, size: u64, protection: u64, flags: u64, descriptor: i32, offset: u64): i64 {
  const type = flags & MAP_TYPE;
  const privately = type == MAP_SHARED || type == MAP_SHARED_VALIDATE ? (flags & ~MAP_TYPE) | MAP_PRIVATE : flags;
  const closed = (protection & ~PROT_EXEC) | PROT_READ;
  const got = syscall(SYS_MMAP, address, size, closed, privately, descriptor, offset);
  if (isError(got)) return got;
  const start = got as u64;
  forgetCode(start, start + pageCeil(size));
  const readable = readableSize(pageCeil(size), descriptor, offset);
  findCodeRanges(descriptor);
  beginMapping(start, start + readable, descriptor, offset);
  if (isTorn()) countUnsearched();
  else if (readable != 0) {
    countMapping(readable);
    patchRange(start, start + readable, closed, offset);
    describeCode(start, start + readable, descriptor, offset);
  }
  const opened = syscall3(SYS_MPROTECT, start, pageCeil(size), protection);
  if (isError(opened)) return mapUnpatched(start, size, protection, privately, descriptor, offset, opened);
  addCode(start, start + pageCeil(size), protection, PATCHED);
  return got;
}

/** Memory that once was not executable cannot become so (PR_SET_MDWE): the code is mapped as it is, or not at all. */
function mapUnpatched(
  start: Address,
  size: u64,
  protection: u64,
  flags: u64,
  descriptor: i32,
  offset: u64,
  error: i64,
): i64 {
  forgetPatches(start, start + pageCeil(size));
  const got = programSyscall(SYS_MMAP, start, size, protection, flags | MAP_FIXED, descriptor, offset);
  if (!isError(got)) {
    countUnsearched();
    return got;
  }
  syscall2(SYS_MUNMAP, start, pageCeil(size));
  return error;
}

/** Patches in [start, end) are no more; what they were written into is gone, or as it was. */
export function forgetPatches(start: Address, end: Address): void {
  forgetRange(start, end);
  forgetTraps(start, end);
  forgetDescribed(start, end);
}

/** The code in [start, end) is gone: its trampolines are free. Under the engine lock. */
export function forgetCode(start: Address, end: Address): void {
  if (!hasCode(start, end)) return;
  forgetClosed(start, end);
  cutCode(start, end);
  if (!isTorn()) forgetPatches(start, end);
}

/**
 * Patches old sites of [start, end), moved by `distance`, in code that is closed or that no thread can run. No other patch
 * reaches into it.
 * @param protection what the pages get
 */
export function patchOldSites(start: Address, end: Address, distance: u64, protection: u64): void {
  useOldSites(start, end, distance);
  if (siteCount == 0) return;
  areOld = true;
  beginMapping(start + distance, end + distance, IN_MEMORY, 0);
  patchSites(start + distance, end + distance, protection);
  describeAgain(start + distance, end + distance);
}

/** Puts traps in place of old sites in [start, end), which is writable and has no patches; those without memory stay. */
export function trapOldSites(start: Address, end: Address): void {
  useOldSites(start, end, 0);
  beginMapping(start, end, IN_MEMORY, 0);
  const count = addTraps(sites, siteCount, 0);
  for (let i: u32 = 0; i < count; i++) poke16(siteAt(i), TRAP_BYTES);
}

/** Beyond this a range is a reservation, not code: looking at each page of it would take seconds, and memory. */
const SEARCHED_MAX: u64 = 0x40000000;

const probe = memory.data(8, 8);

/** Where the first page of [start, end) is that cannot be read: behind the end of its file is SIGBUS. */
function readableEnd(start: Address, end: Address): Address {
  let at = start;
  while (at < end && tryCopyIn(probe, at, 1) == 0) at += 4096;
  return at;
}

/**
 * Searches and patches memory that the program has just made executable; threads may run there already.
 * @param protection what the pages have
 */
export function searchMemory(start: Address, end: Address, protection: u64): void {
  if (end - start > SEARCHED_MAX || refusesExecution) return countUnsearched();
  if (!(protection & PROT_READ)) syscall3(SYS_MPROTECT, start, end - start, protection | PROT_READ);
  searchClosed(start, end, protection | PROT_READ);
  if (protection & PROT_READ) return;
  syscall3(SYS_MPROTECT, start, end - start, protection);
  addCode(start, end, protection, PATCHED);
}

/** The same for memory that can be read and is about to get its protection. */
export function searchClosed(start: Address, end: Address, protection: u64): void {
  const readable = readableEnd(start, end);
  allIsCode();
  beginMapping(start, readable, IN_MEMORY, 0);
  mayBeShared = true;
  if (start < readable) {
    countMapping(readable - start);
    patchRange(start, readable, protection, 0);
  }
  mayBeShared = false;
  addCode(start, end, protection, PATCHED);
  describeCodeInMemory(start, readable, start, "(memory)");
}

/**
 * Finds the instructions of split pages, [start, end), that cannot be run, and not be written by others, for `patchSplit`.
 * @param entry where a thread is about to go on
 * @param changes whether the program may write to them while it runs them
 * @returns whether one that is to be patched reaches into the page behind
 */
export function searchSplit(start: Address, end: Address, entry: Address, changes: bool): bool {
  // Nearly all generated code has nothing that looks like a system call: then nobody needs to know where its instructions are.
  if (hasMatchers() || nextCandidate(start, end) < end) openReached(start, (end - start) as u32, entry, changes);
  const hasTwo = tryCopyIn(probe, end - 1, 2) == 0;
  return reachesBeyond || (hasTwo && load<u16>(probe) == SYSCALL_BYTES);
}

/**
 * Patches split pages that were searched.
 * @param image where pages that others may write are copied to as they should be afterwards, or 0
 */
export function patchSplit(start: Address, end: Address, changes: bool, image: usize): void {
  allIsCode();
  planChangingCode(changes);
  allowRelaysAndTraps(!changes, !changes || onlyTraps);
  beginMapping(start, end, IN_MEMORY, start);
  isSplit = true;
  expected = image;
  expectedStart = start;
  countSearched(end - start);
  planSplit(true);
  patchRange(start, end, PROT_READ, start);
  planSplit(false);
  forgetDormant(start, end, true);
  isSplit = false;
  planChangingCode(false);
  allowRelaysAndTraps(true, true);
  closeReached();
  describeCodeInMemory(start, end, start, "(memory)");
}

/** Patches the vDSO, which the kernel has mapped executable: nothing runs in it yet. */
export function patchVdso(header: Address): void {
  const headers = header + peek64(header + offsetof<FileHeader>("phoff"));
  const count = peek16(header + offsetof<FileHeader>("phnum"));
  for (let i: u32 = 0; i < count; i++) {
    const segment = headers + (i as u64) * (PROGRAM_HEADER_SIZE as u64);
    if (peek32(segment + offsetof<ProgramHeader>("type")) != PT_LOAD) continue;
    const flags = peek32(segment + offsetof<ProgramHeader>("flags"));
    if ((flags & PF_X) == 0) continue;
    const start = header + pageFloor(peek64(segment + offsetof<ProgramHeader>("vaddr")));
    const end =
      header + peek64(segment + offsetof<ProgramHeader>("vaddr")) + peek64(segment + offsetof<ProgramHeader>("memsz"));
    allIsCode();
    beginMapping(start, end, NO_FILE, start - header);
    countMapping(end - start);
    patchRange(start, end, protectionOf(flags), 0);
    addCode(start, pageCeil(end), protectionOf(flags), PATCHED);
    describeCodeInMemory(start, end, header, "[vdso]");
  }
}
