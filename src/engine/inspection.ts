// For `flicker inspect` (src/host/inspection.ts): the engine, in Node, maps and patches one file in a simulated process
// exactly as it would in a real one, and afterwards answers what it did. Nothing here decides anything, and nothing of
// the launcher calls it.

import { RECORD_FIELDS_SIZE } from "../abi/instruction-record";
import { createDispatchTable } from "./kernel/dispatch-table";
import { ET_EXEC, FileHeader, PT_INTERP, programHeader } from "./load/elf";
import { Image, mapImage, readHeaders, refusal } from "./load/map";
import { patchVdso } from "./patch/executable";
import { weighCandidate } from "./patch/sites";
import { beginMapping } from "./patch/mapping";
import { OUTPOST_COUNT, outpostAt } from "./patch/outpost";
import { Record, findSite, findTrampoline, findVictim } from "./patch/record";
import { countSlots } from "./patch/territory";
import { trapTrampolineOf } from "./patch/traps";
import { Address } from "./process";
import { doubt, doubtHits, doubtSkips } from "./scan/evidence";
import { markBlocks } from "./scan/blocks";
import { codeRangeCount, codeRangeEnd, codeRangeStart } from "./scan/sections";
import { linkAddressOf } from "./scan/code-file";
import { functionCount, functionEnd, functionStart, openFunctions as openTables, readFunction } from "./scan/functions";
import { fateCount, interiorCount } from "./stats/counters";
import { decode } from "./x86/decode";
import { Instruction } from "./x86/instruction";
import { fillInstructionRecord } from "./x86/instruction-record";

const header = memory.data(64, 8);
const headers = memory.data(65536, 8);
const image = changetype<Image>(memory.data(128, 8));

function hasInterpreter(): bool {
  for (let i: u32 = 0; i < image.headerCount; i++) if (programHeader(headers, i).type == PT_INTERP) return true;
  return false;
}

/**
 * Maps and patches a file, a program or a library.
 * @returns 0, or -errno as execve would
 */
export function inspectFile(descriptor: i32): i64 {
  createDispatchTable();
  image.descriptor = descriptor;
  image.header = header;
  image.headers = headers;
  const result = readHeaders(image);
  if (result != 0) return result;
  const isProgram = changetype<FileHeader>(header).type == ET_EXEC || hasInterpreter();
  return mapImage(image, isProgram, hasInterpreter(), 0);
}

/** Why a file was not mapped: an AssemblyScript string, maybe empty. */
export function inspectionRefusal(): usize {
  return changetype<usize>(refusal);
}

/** Patches a vDSO that is mapped at an address. */
export function inspectVdso(address: Address): void {
  createDispatchTable();
  image.bias = address;
  patchVdso(address);
}

/** What is added to the file's addresses. */
export function inspectedBias(): u64 {
  return image.bias;
}

/** A second look at candidates, in a mapping of the same code where nothing is patched: EVIDENCE_*, then DOUBT_* and votes. */
export { beginMapping, weighCandidate };
export function doubtOf(): u32 {
  return doubt;
}
export function votesFor(): u32 {
  return doubtHits;
}
export function votesAgainst(): u32 {
  return doubtSkips;
}

/** Records of patches (patch/record.ts): engine pointers or 0. */
export { findSite, findVictim, findTrampoline };
export function recordAddress(pointer: usize): Address {
  return changetype<Record>(pointer).address;
}
export function recordOriginal(pointer: usize): Address {
  return changetype<Record>(pointer).original;
}
export function recordSize(pointer: usize): u32 {
  return changetype<Record>(pointer).size;
}
export function recordKind(pointer: usize): u32 {
  return changetype<Record>(pointer).kind;
}
export function recordTactic(pointer: usize): u32 {
  return changetype<Record>(pointer).tactic;
}
/** Bytes of the original instruction. */
export function recordLength(pointer: usize): u32 {
  return changetype<Record>(pointer).length;
}
/** Bytes of code from the record's original on that were written or that its jump depends on. */
export function recordLocked(pointer: usize): u32 {
  return changetype<Record>(pointer).locked;
}

// For `flicker inspect --match` (src/host/matching.ts): instructions of a piece of code, as a hook's or an expression's `match`
// would get them. Code and records are behind the engine's static memory, since a launcher has no use for room for them: an
// engine that matches does nothing else.

const MATCHED_CODE_SIZE: u32 = 65536;
const MATCHED_RECORDS_MAX: u32 = 1024;
const decoded = memory.data(32, 8);
let describedBytes: u32 = 0;

export function codeBuffer(): usize {
  return (__heap_base + 4095) & ~4095;
}
export function codeBufferSize(): u32 {
  return MATCHED_CODE_SIZE;
}
/** Records one after the other, RECORD_FIELDS_SIZE bytes each. */
export function recordBuffer(): usize {
  return codeBuffer() + MATCHED_CODE_SIZE;
}

/**
 * Decodes the instructions in the first `size` bytes of the code buffer, one after the other, and fills a record for each. Of
 * bytes that are no instruction the first is skipped.
 * @param needs NEEDS_ bits
 * @returns how many records; `describedSize` bytes of code are done, fewer than `size` when there was no room for more
 */
export function describeCode(size: u32, address: Address, offset: u64, needs: u32): u32 {
  assert(size <= MATCHED_CODE_SIZE);
  const code = codeBuffer();
  const records = recordBuffer();
  const instruction = changetype<Instruction>(decoded);
  let count: u32 = 0;
  let at: u32 = 0;
  while (at < size && count < MATCHED_RECORDS_MAX) {
    if (decode(code + at, size - at, decoded) == 0) {
      at++;
      continue;
    }
    const record = records + count * RECORD_FIELDS_SIZE;
    fillInstructionRecord(needs, code + at, decoded, address + at, offset + at, record);
    count++;
    at += instruction.length;
  }
  describedBytes = at;
  return count;
}
export function describedSize(): u32 {
  return describedBytes;
}

// For `flicker cover` and the class `block` (src/host/cover/blocks.ts): the basic blocks of each function of a file.

/** Opens a file; gives how many functions its tables have. */
export function openFunctions(descriptor: i32): u32 {
  openTables(descriptor);
  return functionCount();
}
/** Finds a function, for the three below; false when it is none that is patched. */
export { readFunction };
export function functionOffset(): u64 {
  return functionStart;
}
export function functionAddress(): u64 {
  return linkAddressOf(functionStart);
}
export function functionSize(): u64 {
  return functionEnd - functionStart;
}
export { markBlocks };

export { trapTrampolineOf, codeRangeCount, codeRangeStart, codeRangeEnd, countSlots, outpostAt };
export function outpostsMax(): u32 {
  return OUTPOST_COUNT;
}
export { fateCount };
export function interiorSites(): u32 {
  return interiorCount;
}
