// Which instructions are sites besides system calls: those that a matcher of this launcher wants. A matcher is what `--match`
// was compiled to (src/match), or the `match` of a hook; each looks at a record of the instruction in memory of its own.
//
// Under the engine lock: the records are in static memory, and matchers remember answers in theirs.

import {
  CLASS_BLOCK,
  FILE_TEXT_MAX,
  FUNCTION_TEXT_MAX,
  NEEDS_BLOCKS,
  NEEDS_FILE,
  NEEDS_FUNCTION,
  RECORD_CLASSES,
  RECORD_FIELDS_SIZE,
  RECORD_FILE,
  RECORD_FUNCTION,
  TEXT_BYTES,
  TEXT_LENGTH,
  TEXT_NUMBER,
  TEXT_UNKNOWN,
} from "../abi/instruction-record";
import { IN_MATCH } from "./hook/call";
import {
  afterInstructionEntry,
  beforeInstructionEntry,
  hookCount,
  hookMemory,
  matchEntry,
  matchNeeds,
  matchRecord,
  mayMatchEntry,
} from "./hook/table";
import { mappingFile, mappingNumber } from "./patch/mapping";
import { Address, callHook, copyOut, poke32, poke64 } from "./process";
import { functionName } from "./scan/symbols";
import { lengthOf } from "./text";
import { runningThread } from "./thread/areas";
import { Instruction } from "./x86/instruction";
import { fillInstructionRecord } from "./x86/instruction-record";

let matcherCount: u32 = 0;
let needs: u32 = 0;
/** Hooks that are called at instructions, and those of them that leave it to `--match` which ones: one bit each. */
let acting: u32 = 0;
let followers: u32 = 0;
/** The bit of `--match`, which is the last of the hooks. */
let expression: u32 = 0;

/** Of each hook: where its record is, and which texts that holds. */
@unmanaged
class Matcher {
  record: Address;
  /** The record's place in the hook's memory: what its `match` gets. */
  pointer: u32;
  needs: u32;
  entry: Address;
  mayMatch: Address;
  /** Where the function starts whose name is in the record. */
  function: u64;
  /** The mapping whose file's path is in it. */
  file: u32;
  padding: u32;
}
const matchers = memory.data(432, 8);
const record = memory.data(112, 8); // RECORD_FIELDS_SIZE

function matcherOf(hook: u32): Matcher {
  return changetype<Matcher>(matchers + (hook as usize) * offsetof<Matcher>());
}

/** At the start of a process image, behind the hooks. */
export function adoptMatchers(): void {
  for (let hook: u32 = 0; hook < hookCount; hook++) {
    const matcher = matcherOf(hook);
    matcher.entry = matchEntry(hook);
    if (beforeInstructionEntry(hook) != 0 || afterInstructionEntry(hook) != 0) {
      acting |= 1 << hook;
      if (matcher.entry == 0) followers |= 1 << hook;
    }
    if (matcher.entry == 0) continue;
    if (mayMatchEntry(hook) != 0) expression = 1 << hook;
    matcher.mayMatch = mayMatchEntry(hook);
    matcher.pointer = matchRecord(hook);
    matcher.record = hookMemory(hook, matcher.pointer, RECORD_FIELDS_SIZE);
    matcher.needs = matchNeeds(hook);
    matcher.function = u64.MAX_VALUE;
    needs |= matcher.needs;
    matcherCount += 1;
  }
}

/** Whether instructions are looked for at all. */
export function hasMatchers(): bool {
  return matcherCount != 0;
}

/** Whether any hook is called at instructions. */
export function hasActingHooks(): bool {
  return acting != 0;
}

/** Of the hooks that want an instruction, those that are called there. */
export function hooksActing(wanting: u32): u32 {
  return wanting & acting;
}

/** Whether the names of functions matter. */
export function needsFunctions(): bool {
  return (needs & NEEDS_FUNCTION) != 0;
}

/** Whether it matters which instructions stand for basic blocks. */
export function needsBlocks(): bool {
  return (needs & NEEDS_BLOCKS) != 0;
}

function writeText(place: Address, number: u32, text: usize, most: u32): void {
  const size = text == 0 ? 0 : min(lengthOf(text) as u32, most);
  poke32(place + TEXT_NUMBER, number);
  poke32(place + TEXT_LENGTH, text == 0 ? (TEXT_UNKNOWN as u32) : size);
  if (size != 0) copyOut(place + TEXT_BYTES, text, size);
}

/** Texts have numbers by which matchers remember answers: that of a function is its own for the whole run. */
let functionNumber: u32 = 0;

function writeTexts(matcher: Matcher, functionStart: u64): void {
  if (matcher.needs & NEEDS_FILE && matcher.file != mappingNumber()) {
    matcher.file = mappingNumber();
    writeText(matcher.record + RECORD_FILE, matcher.file, mappingFile(), FILE_TEXT_MAX);
  }
  if (matcher.needs & NEEDS_FUNCTION && matcher.function != functionStart) {
    matcher.function = functionStart;
    writeText(matcher.record + RECORD_FUNCTION, ++functionNumber, functionName(functionStart), FUNCTION_TEXT_MAX);
  }
}

function isWanted(matcher: Matcher, functionStart: u64): bool {
  for (let at: usize = 0; at < (RECORD_FIELDS_SIZE as usize); at += 8)
    poke64(matcher.record + (at as u64), load<u64>(record + at));
  if (matcher.mayMatch != 0 && callHook(matcher.mayMatch, 0) == 0) return false;
  if (matcher.needs & (NEEDS_FILE | NEEDS_FUNCTION)) writeTexts(matcher, functionStart);
  return (callHook(matcher.entry, matcher.pointer) & 1) != 0;
}

/**
 * Who wants an instruction.
 * @param code engine pointer of its bytes
 * @param address where it is in the file's own terms, as objdump prints it
 * @param offset in the file
 * @param functionStart the file's address of the function that it is in
 * @param isOfBlock whether it stands for a basic block (scan/blocks.ts)
 * @returns bit n for hook n
 */
export function hooksWanting(
  instruction: Instruction,
  code: usize,
  address: u64,
  offset: u64,
  functionStart: u64,
  isOfBlock: bool,
): u32 {
  fillInstructionRecord(needs, code, changetype<usize>(instruction), address, offset, record);
  if (isOfBlock) store<u32>(record, load<u32>(record, RECORD_CLASSES) | CLASS_BLOCK, RECORD_CLASSES);
  const thread = runningThread();
  let wanting: u32 = 0;
  thread.hookPhase = IN_MATCH;
  thread.hookPlace = address;
  thread.hookHasLock = 1;
  for (let hook: u32 = 0; hook < hookCount; hook++) {
    const matcher = matcherOf(hook);
    if (matcher.entry == 0) continue;
    thread.hook = hook + 1;
    if (isWanted(matcher, functionStart)) wanting |= 1 << hook;
  }
  thread.hook = 0;
  thread.hookHasLock = 0;
  return (wanting & expression) != 0 ? wanting | followers : wanting;
}
