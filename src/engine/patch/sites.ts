// Which sites a piece of code has: found by their bytes and the evidence around them, or known from before.
//
// One piece at a time, under the engine lock: `findSites` or `useOldSites` fills `sites`, in order, and the planner's caller
// (patch/executable.ts) goes through them. Old sites are those of code that is about to change (patch/changing-code.ts):
// they are noted first, and looked at again when it has.

import { Address, copyIn, peek16, tryCopyIn } from "../process";
import { STATS_NONE, statsMode, strict } from "../options";
import { nextCandidate } from "../scan/candidates";
import { codeRangeCount, codeRangeEnd, codeRangeStart } from "../scan/sections";
import { INTERIOR, REACHED, UNREACHED, isChanging, reachedAt } from "../scan/reached";
import { EVIDENCE_CODE, EVIDENCE_DOUBTFUL, EVIDENCE_INTERIOR, movesNumber, weigh } from "../scan/evidence";
import { countInterior } from "../stats/counters";
import { WHY_32_BIT, WHY_DOUBTFUL, WHY_TOO_MANY, countLeftAlone, reasonOf } from "../stats/left-alone";
import { decode } from "../x86/decode";
import { FLOW_JUMP_CONDITIONAL, FLOW_NEXT, Instruction, MAP_ONE_BYTE } from "../x86/instruction";
import { refuse } from "./strict";
import { SYSCALL_BYTES } from "./traps";
import { conclude } from "./verdict";

/** Bytes of `syscall`. */
export const SITE_LENGTH: u64 = 2;

/** Code on each side of a site that tactics may use, a short jump's reach and a long instruction, and that is weighed. */
export const SLACK: u32 = 208;

/** A copy of the code around an address: up to SLACK bytes on each side. */
export const windowCode = memory.data(512, 8);
export let windowStart: Address = 0;
export let windowSize: u32 = 0;

/** Sites of the mapping that is being patched: u64 addresses, ascending. */
const SITES_MAX: u32 = 32768;
export const sites = memory.data(262144, 8);
export let siteCount: u32 = 0;

/** Copies the code of [start, end) around an address; gives the offset of the address in the copy. */
export function copyWindow(start: Address, end: Address, at: Address): u32 {
  windowStart = at - start > (SLACK as u64) ? at - SLACK : start;
  windowSize = (min(end, at + SITE_LENGTH + SLACK) - windowStart) as u32;
  copyIn(windowCode, windowStart, windowSize);
  return (at - windowStart) as u32;
}

/** A site, or what may be one, stays as it is: it is counted, and may be the end (--strict). */
export function leaveAlone(site: Address, why: u32): void {
  countLeftAlone(site, why);
  if (strict && why != WHY_DOUBTFUL) refuse(site, 2, "a system call that cannot be patched", reasonOf(why));
}

/**
 * Weighs the candidate at an address of the code in [start, end), a part of the mapping that was begun.
 * @returns EVIDENCE_*
 */
export function weighCandidate(start: Address, end: Address, at: Address): u32 {
  const offset = copyWindow(start, end, at);
  const evidence = weigh(windowCode, windowSize, offset);
  if (!strict && evidence != EVIDENCE_DOUBTFUL) return evidence;
  return conclude(evidence, windowCode, windowSize, offset, at);
}

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Whether the instruction at `code` sets eax: `mov`, `xor`, `pop` in the forms that are used to load a number. */
function setsEax(code: usize): bool {
  const at = code + instruction.opcodeOffset;
  const opcode = load<u8>(at);
  const modrm = load<u8>(at + 1);
  if (instruction.map != MAP_ONE_BYTE) return false;
  if (opcode == 0xb8 || opcode == 0x58) return (instruction.rex & 1) == 0;
  if (opcode == 0xc7 || opcode == 0x89 || opcode == 0x31 || opcode == 0x33)
    return (modrm & 0xc7) == 0xc0 && (instruction.rex & 1) == 0;
  return opcode == 0x8b && (modrm & 0x38) == 0 && (instruction.rex & 4) == 0;
}

/** How far in front of a system call its number is loaded. */
const NUMBER_WITHIN: u32 = 48;

/**
 * Whether something right in front of the candidate at an offset of the window loads a number for it. In generated code tables
 * stand between functions; what control is not known to reach is a system call only with its number. Where code is written beside code
 * that runs, tables are written there, too (HotSpot's of relocations): then it must be one that no table has.
 */
function hasNumber(offset: u32): bool {
  for (let from = offset; from > 0 && offset - from < NUMBER_WITHIN;) {
    from -= 1;
    if (decode(windowCode + from, windowSize - from, changetype<usize>(instruction)) == 0) continue;
    if (!(isChanging ? movesNumber(windowCode + from) : setsEax(windowCode + from))) continue;
    let at = from;
    while (at < offset) {
      if (decode(windowCode + at, windowSize - at, changetype<usize>(instruction)) == 0) break;
      if (instruction.flow != FLOW_NEXT && instruction.flow != FLOW_JUMP_CONDITIONAL) break;
      at += instruction.length;
    }
    if (at == offset) return true;
  }
  return false;
}

/** The evidence for a candidate in generated code (scan/reached.ts), which control is not known to reach. */
function weighGenerated(start: Address, end: Address, at: Address): u32 {
  const evidence = weighCandidate(start, end, at);
  if (evidence != EVIDENCE_CODE) return evidence;
  return hasNumber(copyWindow(start, end, at)) ? EVIDENCE_CODE : EVIDENCE_DOUBTFUL;
}

/** What a candidate is. @returns EVIDENCE_* */
function judgeCandidate(start: Address, end: Address, at: Address): u32 {
  switch (reachedAt(at)) {
    case REACHED:
      return EVIDENCE_CODE;
    case INTERIOR:
      return EVIDENCE_INTERIOR;
    case UNREACHED:
      return weighGenerated(start, end, at);
    default:
      return weighCandidate(start, end, at);
  }
}

/** Adds the sites in [start, end). */
function addSites(start: Address, end: Address): void {
  for (let at = nextCandidate(start, end); at < end; at = nextCandidate(at + 1, end)) {
    const evidence = judgeCandidate(start, end, at);
    if (evidence == EVIDENCE_INTERIOR) countInterior();
    else if (evidence != EVIDENCE_CODE) leaveAlone(at, WHY_DOUBTFUL);
    else if (siteCount == SITES_MAX) leaveAlone(at, WHY_TOO_MANY);
    else store<u64>(sites + (siteCount++ << 3), at);
  }
}

/** `int $0x80` and `sysenter`, little-endian. */
const INT80_BYTES: u32 = 0x80cd;
const SYSENTER_BYTES: u32 = 0x340f;

/**
 * Names the calls of the kernel's 32-bit table in [start, end). They stay as they are, whoever makes them; only statistics and
 * --strict ask for them.
 */
function note32BitCalls(start: Address, end: Address): void {
  for (let at = start; at + 2 <= end; at++) {
    const bytes = peek16(at);
    if (bytes != INT80_BYTES && bytes != SYSENTER_BYTES) continue;
    const offset = copyWindow(start, end, at);
    if (weigh(windowCode, windowSize, offset) == EVIDENCE_CODE) leaveAlone(at, WHY_32_BIT);
  }
}

/** Finds the sites in [start, end), which maps a file from `offset` on, as far as the file's sections are code. */
export function findSites(start: Address, end: Address, offset: u64): void {
  siteCount = 0;
  for (let i: u32 = 0; i < codeRangeCount(); i++) {
    const low = max(codeRangeStart(i), offset);
    const high = min(codeRangeEnd(i), offset + (end - start));
    if (low >= high) continue;
    addSites(start + (low - offset), start + (high - offset));
    if (strict || statsMode != STATS_NONE) note32BitCalls(start + (low - offset), start + (high - offset));
  }
}

/** All sites of a mapping that is patched in parts. */
const allSites = memory.data(262144, 8);
let allCount: u32 = 0;

/** Keeps the sites of a mapping, for `chooseSites`. */
export function keepSites(): void {
  memory.copy(allSites, sites, siteCount << 3);
  allCount = siteCount;
}

/** Those sites that were kept in [low, high). */
export function chooseSites(low: Address, high: Address): void {
  siteCount = 0;
  for (let i: u32 = 0; i < allCount; i++) {
    const site = load<u64>(allSites + (i << 3));
    if (site >= low && site < high) store<u64>(sites + (siteCount++ << 3), site);
  }
}

/** Sites that were known before: u64 addresses (`addOldSite`). */
const oldSites = memory.data(262144, 8);
let oldCount: u32 = 0;

export function clearOldSites(): void {
  oldCount = 0;
}
export function addOldSite(site: Address): void {
  if (oldCount != SITES_MAX) store<u64>(oldSites + (oldCount++ << 3), site);
}

/** Sorts `sites`: Shell's method, whose gaps shrink by half. Ranges of code come nearly sorted. */
function sortSites(): void {
  for (let gap = siteCount >> 1; gap > 0; gap >>= 1) {
    for (let i = gap; i < siteCount; i++) {
      const site = siteAt(i);
      let at = i;
      for (; at >= gap && siteAt(at - gap) > site; at -= gap) store<u64>(sites + (at << 3), siteAt(at - gap));
      store<u64>(sites + (at << 3), site);
    }
  }
}

/** Those old sites in [start, end), moved by `distance`, that are system calls still. */
export function useOldSites(start: Address, end: Address, distance: u64): void {
  siteCount = 0;
  for (let i: u32 = 0; i < oldCount; i++) {
    const site = load<u64>(oldSites + (i << 3));
    if (site < start || site + SITE_LENGTH > end) continue;
    if (tryCopyIn(siteBytes, site + distance, 2) != 0 || load<u16>(siteBytes) != SYSCALL_BYTES) continue;
    store<u64>(sites + (siteCount++ << 3), site + distance);
  }
  sortSites();
}
const siteBytes = memory.data(8, 8);

export function siteAt(index: u32): Address {
  return load<u64>(sites + (index << 3));
}
