// Sites that stay as they are, by name: file, offset in it, address, and why. What the counts say only in sum.
//
// Two lists of fixed size, doubtful ones apart: a table in the text must not crowd out real sites. A file that is mapped
// again adds to the entries that its sites have; a site for which there is no room is counted all the same, so that the
// times of all entries and what the list misses are the count.

import { STATS_NONE, exhaustive, statsMode } from "../options";
import { Address } from "../process";
import { fileOffsetOf, mappingFile } from "../patch/mapping";
import { FATE_DOUBTFUL, FATE_UNPATCHED, countFate, uncountFate } from "./counters";

/** Evidence of data around it. */
export const WHY_DOUBTFUL: u32 = 0;
export const WHY_ENGINE_MEMORY: u32 = 1;
export const WHY_PROTECTED: u32 = 2;
export const WHY_TOO_MANY: u32 = 3;
/** `int $0x80` or `sysenter`. */
export const WHY_32_BIT: u32 = 4;

export function reasonOf(why: u32): string {
  if (why == WHY_DOUBTFUL) return "there is data around it";
  if (why == WHY_ENGINE_MEMORY) return "the engine's memory is out";
  if (why == WHY_PROTECTED) return "its page cannot be written";
  if (why == WHY_32_BIT) return "it is a 32-bit call, which the kernel answers from a table of its own";
  return "its mapping has more sites than a plan can hold";
}

@unmanaged
export class LeftAlone {
  address: Address;
  offset: u64;
  /** Engine pointer of a zero-terminated path. */
  file: usize;
  why: u32;
  /** How often the file was mapped with this fate for the site. */
  times: u32;
  padding: u32;
}
const ENTRY_SIZE: usize = 32;
/** Most entries of a list. */
const ENTRIES_MAX: u32 = 256;
const unpatched = memory.data(8192, 8);
const doubtful = memory.data(8192, 8);
let unpatchedCount: u32 = 0;
let doubtfulCount: u32 = 0;

/** Number of entries, which are in the order in which they were found. */
export function leftAloneCount(isDoubtful: bool): u32 {
  return isDoubtful ? doubtfulCount : unpatchedCount;
}
export function leftAlone(isDoubtful: bool, index: u32): LeftAlone {
  return changetype<LeftAlone>((isDoubtful ? doubtful : unpatched) + (index as usize) * ENTRY_SIZE);
}

/** Counts a site of the mapping that is being patched, and keeps its name if anybody will ask. Under the engine lock. */
export function countLeftAlone(address: Address, why: u32): void {
  const isDoubtful = why == WHY_DOUBTFUL;
  countFate(isDoubtful ? FATE_DOUBTFUL : FATE_UNPATCHED);
  if (statsMode == STATS_NONE) return;
  const file = mappingFile();
  const offset = fileOffsetOf(address);
  const count = leftAloneCount(isDoubtful);
  for (let i: u32 = 0; i < count; i++) {
    const entry = leftAlone(isDoubtful, i);
    if (entry.offset != offset || entry.why != why || entry.file != file) continue;
    entry.times += 1;
    remember(address, why, changetype<usize>(entry));
    return;
  }
  if (count == ENTRIES_MAX) return remember(address, why, 0);
  const entry = leftAlone(isDoubtful, count);
  entry.address = address;
  entry.offset = offset;
  entry.file = file;
  entry.why = why;
  entry.times = 1;
  remember(address, why, changetype<usize>(entry));
  if (isDoubtful) doubtfulCount += 1;
  else unpatchedCount += 1;
}

/** With --exhaustive: where each of them is, since it may be proven later (patch/proven.ts). */
@unmanaged
class Remembered {
  address: Address;
  /** Engine pointer of the entry that it is counted in, or 0. */
  entry: usize;
  why: u32;
}
const REMEMBERED_SIZE: usize = 16;
const REMEMBERED_MAX: u32 = 4096;
const remembered = memory.data(65536, 8);
let rememberedCount: u32 = 0;

function remember(address: Address, why: u32, entry: usize): void {
  if (!exhaustive || rememberedCount == REMEMBERED_MAX) return;
  const row = changetype<Remembered>(remembered + (rememberedCount++ as usize) * REMEMBERED_SIZE);
  row.address = address;
  row.entry = entry;
  row.why = why;
}

/** A site that may have been left alone is patched after all. */
export function countLeftAloneNoMore(address: Address): void {
  for (let i: u32 = 0; i < rememberedCount; i++) {
    const row = changetype<Remembered>(remembered + (i as usize) * REMEMBERED_SIZE);
    if (row.address != address) continue;
    uncountFate(row.why == WHY_DOUBTFUL ? FATE_DOUBTFUL : FATE_UNPATCHED);
    if (row.entry != 0) changetype<LeftAlone>(row.entry).times -= 1;
    rememberedCount -= 1;
    memory.copy(changetype<usize>(row), remembered + (rememberedCount as usize) * REMEMBERED_SIZE, REMEMBERED_SIZE);
    return;
  }
}
