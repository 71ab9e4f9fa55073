// What hooks can import from the module "flicker": the import `argument` is answered by `hookArgument` here, and so on
// (src/backend/build-launcher.ts). The SDK, src/sdk/flicker/hook.ts, is how people see it.
//
// Nothing that a hook passes is trusted: pointers are checked against its own memory, addresses against the engine's, and a
// bad address of the program's is an answer, not a fault.

import { finish } from "../kernel/call";
import { Address, copyIn, copyOut, tryCopyIn, tryCopyOut } from "../process";
import { runningThread } from "../thread/areas";
import { GateFrame, ThreadBlock, gateFrameOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { appendDecimal, appendHex, appendText } from "../text";
import { IN_AFTER, IN_AFTER_INSTRUCTION, IN_BEFORE, IN_INSTRUCTION, RETRY, SKIP } from "./call";
import { beginFailure, endFailure, failHook } from "./failure";
import { appendRangeToLine, appendToLine, endLine } from "./line";
import { CHUNK, isForeign, ownRange } from "./memory";
import { CallRecord, currentCall, markPlace } from "./record";
import { PLACES, RSP, STATUS_FLAGS, operandAddress, registerOf } from "./instruction";
import { hookMemory } from "./table";

// ---- the call ----

function requirePhase(thread: ThreadBlock, phase: u32, what: string): void {
  if (thread.hookPhase != phase) failHook(thread, what);
}

/** Gives whether the call is yet to be made; a hook that is called for no call has none. */
function isBeforeCall(thread: ThreadBlock): bool {
  if (thread.hookPhase != IN_BEFORE && thread.hookPhase != IN_AFTER)
    failHook(thread, "a system call is asked for outside of beforeCall and afterCall");
  return thread.hookPhase == IN_BEFORE;
}

/** The number: in `beforeCall` as it would be made, in `afterCall` as it was. */
export function hookNumber(): u64 {
  const thread = runningThread();
  return isBeforeCall(thread) ? gateFrameOf(thread).rax : currentCall(thread).madeNumber;
}

export function hookSetNumber(number: u64): void {
  const thread = runningThread();
  requirePhase(thread, IN_BEFORE, "a number is set outside of beforeCall");
  gateFrameOf(thread).rax = number;
}

/** Where argument `index` of a call is in a frame, in the order of the kernel's calling convention. */
function argumentPlace(thread: ThreadBlock, index: u32): usize {
  const frame = changetype<usize>(gateFrameOf(thread));
  switch (index) {
    case 0:
      return frame + offsetof<GateFrame>("rdi");
    case 1:
      return frame + offsetof<GateFrame>("rsi");
    case 2:
      return frame + offsetof<GateFrame>("rdx");
    case 3:
      return frame + offsetof<GateFrame>("r10");
    case 4:
      return frame + offsetof<GateFrame>("r8");
    case 5:
      return frame + offsetof<GateFrame>("r9");
    default:
      failHook(thread, "a system call has arguments 0 to 5");
      return 0;
  }
}

export function hookArgument(index: u32): u64 {
  const thread = runningThread();
  const place = argumentPlace(thread, index);
  if (isBeforeCall(thread)) return load<u64>(place);
  return load<u64>(changetype<usize>(currentCall(thread)) + ((index as usize) << 3), offsetof<CallRecord>("made0"));
}

export function hookSetArgument(index: u32, value: u64): void {
  const thread = runningThread();
  requirePhase(thread, IN_BEFORE, "an argument is set outside of beforeCall");
  store<u64>(argumentPlace(thread, index), value);
}

export function hookResult(): i64 {
  const thread = runningThread();
  requirePhase(thread, IN_AFTER, "the result is asked for outside of afterCall");
  return gateFrameOf(thread).rax as i64;
}

export function hookSetResult(result: i64): void {
  const thread = runningThread();
  requirePhase(thread, IN_AFTER, "the result is set outside of afterCall");
  finish(thread, gateFrameOf(thread), result);
}

/** What the hook has noted of this call: 0 at first. */
export function hookMark(): u64 {
  const thread = runningThread();
  isBeforeCall(thread);
  return load<u64>(markPlace(currentCall(thread), thread.hook - 1));
}
export function hookSetMark(mark: u64): void {
  const thread = runningThread();
  isBeforeCall(thread);
  store<u64>(markPlace(currentCall(thread), thread.hook - 1), mark);
}

/** The call is not made, and has this result. */
export function hookSkip(result: i64): void {
  const thread = runningThread();
  requirePhase(thread, IN_BEFORE, "a call is skipped outside of beforeCall");
  thread.hookWish = SKIP;
  thread.hookResult = result as u64;
}

/** The call is made again. */
export function hookRetry(): void {
  const thread = runningThread();
  requirePhase(thread, IN_AFTER, "a call is retried outside of afterCall");
  thread.hookWish = RETRY;
}

// ---- the instruction ----

function isAtInstruction(thread: ThreadBlock): bool {
  return thread.hookPhase == IN_INSTRUCTION || thread.hookPhase == IN_AFTER_INSTRUCTION;
}

function refuseRegister(thread: ThreadBlock): void {
  if (!isAtInstruction(thread)) failHook(thread, "registers are asked for outside of before and after");
  failHook(thread, "general registers have numbers 0 to 15");
}

/** Where a register is in the gate's frame, by its number in ModRM and REX; rsp is not there. */
function registerPlace(thread: ThreadBlock, number: u32): usize {
  if (!isAtInstruction(thread) || number > 15) refuseRegister(thread);
  return changetype<usize>(gateFrameOf(thread)) + (load<u32>(PLACES + (number << 2)) as usize);
}
export function hookRegister(number: u32): u64 {
  const thread = runningThread();
  registerPlace(thread, number);
  return registerOf(thread, number);
}
export function hookSetRegister(number: u32, value: u64): void {
  const thread = runningThread();
  const place = registerPlace(thread, number);
  if (number == RSP) failHook(thread, "rsp cannot be set");
  store<u64>(place, value);
}
export function hookFlags(): u64 {
  const thread = runningThread();
  registerPlace(thread, 0);
  return gateFrameOf(thread).flags;
}
export function hookSetFlags(flags: u64): void {
  const thread = runningThread();
  registerPlace(thread, 0);
  const frame = gateFrameOf(thread);
  frame.flags = (frame.flags & ~STATUS_FLAGS) | (flags & STATUS_FLAGS);
}
/** The address of the instruction's operand in memory, or 0. */
export function hookOperand(): u64 {
  const thread = runningThread();
  registerPlace(thread, 0);
  return operandAddress(thread);
}
/** The instruction is not executed, or done: the program goes on at `address`; for 0 it is skipped. */
export function hookSkipInstruction(address: u64): void {
  const thread = runningThread();
  registerPlace(thread, 0);
  if (thread.hookPhase == IN_AFTER_INSTRUCTION && address == 0) failHook(thread, "an instruction is skipped behind it");
  thread.hookWish = SKIP;
  thread.hookResult = address;
}

export function hookThread(): u32 {
  return runningThread().tid;
}
export function hookProcess(): u32 {
  return runningThread().pid;
}
export function hookSite(): u64 {
  const thread = runningThread();
  return isAtInstruction(thread) ? thread.site : currentCall(thread).site;
}

// ---- memory of the program's ----

/** Copies program memory to the hook's; gives how many bytes could not be read. */
export function hookRead(pointer: u32, address: Address, size: u32): u32 {
  const thread = runningThread();
  let to = ownRange(thread, pointer, size);
  if (!isForeign(thread, address, size as u64)) return size;
  const buffer = frameBufferOf(thread);
  let left = size;
  while (left != 0) {
    const step = min(left, CHUNK);
    const copied = step - (tryCopyIn(buffer, address, step) as u32);
    copyOut(to, buffer, copied);
    left -= copied;
    if (copied != step) break;
    to += copied as u64;
    address += copied as u64;
  }
  return left;
}

/** Copies the hook's memory to the program's; gives how many bytes could not be written. */
export function hookWrite(address: Address, pointer: u32, size: u32): u32 {
  const thread = runningThread();
  let from = ownRange(thread, pointer, size);
  if (!isForeign(thread, address, size as u64)) return size;
  const buffer = frameBufferOf(thread);
  let left = size;
  while (left != 0) {
    const step = min(left, CHUNK);
    copyIn(buffer, from, step);
    const copied = step - (tryCopyOut(address, buffer, step) as u32);
    left -= copied;
    if (copied != step) break;
    from += copied as u64;
    address += copied as u64;
  }
  return left;
}

/** 1, 2, 4 or 8 bytes of the program's memory; 0 when they cannot be read. */
export function hookPeek(address: Address, size: u32): u64 {
  const thread = runningThread();
  const buffer = frameBufferOf(thread);
  store<u64>(buffer, 0);
  if (size > 8 || !isForeign(thread, address, size as u64) || tryCopyIn(buffer, address, size) != 0) return 0;
  return load<u64>(buffer);
}

/** Stores the low 1, 2, 4 or 8 bytes of a value; gives 0 when they cannot be written. */
export function hookPoke(address: Address, value: u64, size: u32): u32 {
  const thread = runningThread();
  const buffer = frameBufferOf(thread);
  store<u64>(buffer, value);
  if (size > 8 || !isForeign(thread, address, size as u64)) return 0;
  return tryCopyOut(address, buffer, size) == 0 ? 1 : 0;
}

// ---- lines ----

/** UTF-8 of a character: a code unit of UTF-16, or a byte. */
function appendCharacter(thread: ThreadBlock, code: u32): void {
  if (code < 0x80) return appendToLine(thread, code);
  if (code < 0x800) {
    appendToLine(thread, 0xc0 | (code >> 6));
    return appendToLine(thread, 0x80 | (code & 0x3f));
  }
  appendToLine(thread, 0xe0 | (code >> 12));
  appendToLine(thread, 0x80 | ((code >> 6) & 0x3f));
  appendToLine(thread, 0x80 | (code & 0x3f));
}

/** Appends `count` code units of UTF-16 in the hook's memory to its line. */
export function hookText(pointer: u32, count: u32): void {
  const thread = runningThread();
  const size = min(count, CHUNK / 2) * 2;
  const from = ownRange(thread, pointer, size);
  const buffer = frameBufferOf(thread);
  copyIn(buffer, from, size);
  for (let at: usize = 0; at < (size as usize); at += 2) appendCharacter(thread, load<u16>(buffer + at));
}

/** Appends `size` bytes in the hook's memory. */
export function hookBytes(pointer: u32, size: u32): void {
  const thread = runningThread();
  const length = min(size, CHUNK);
  const from = ownRange(thread, pointer, length);
  const buffer = frameBufferOf(thread);
  copyIn(buffer, from, length);
  appendRangeToLine(thread, buffer, buffer + (length as usize));
}

/** Appends a zero-terminated string of the program's, `most` bytes of it. */
export function hookString(address: Address, most: u32): void {
  const thread = runningThread();
  const buffer = frameBufferOf(thread);
  for (let i: u32 = 0; i < most; i++, address++) {
    if (!isForeign(thread, address, 1) || tryCopyIn(buffer, address, 1) != 0) return appendToLine(thread, 63);
    if (load<u8>(buffer) == 0) return;
    appendToLine(thread, load<u8>(buffer));
  }
}

export function hookUnsigned(value: u64): void {
  const thread = runningThread();
  const buffer = frameBufferOf(thread);
  appendRangeToLine(thread, buffer, appendDecimal(buffer, value));
}

export function hookSigned(value: i64): void {
  if (value < 0) appendToLine(runningThread(), 45);
  hookUnsigned(value < 0 ? (-value as u64) : (value as u64));
}

export function hookHex(value: u64): void {
  const thread = runningThread();
  const buffer = frameBufferOf(thread);
  store<u8>(buffer, 48);
  store<u8>(buffer + 1, 120);
  appendRangeToLine(thread, buffer, appendHex(buffer + 2, value));
}

export function hookEnd(): void {
  endLine(runningThread());
}

// ---- failures ----

/** Appends a string of AssemblyScript's in the hook's memory: its size in bytes is in front of it. */
function appendHookString(thread: ThreadBlock, at: usize, pointer: u32, otherwise: string): usize {
  const buffer = frameBufferOf(thread);
  if (pointer < 4 || hookMemory(thread.hook - 1, pointer - 4, 4) == 0) return appendText(at, otherwise);
  copyIn(buffer, hookMemory(thread.hook - 1, pointer - 4, 4), 4);
  const size = min(load<u32>(buffer), 512);
  const from = hookMemory(thread.hook - 1, pointer, size);
  if (from == 0) return appendText(at, otherwise);
  copyIn(buffer, from, size);
  for (let i: usize = 0; i < (size as usize); i += 2) store<u8>(at++, load<u16>(buffer + i) as u8);
  return at;
}

/** A failed assertion, or an error that AssemblyScript throws. */
export function hookAbort(message: u32, file: u32, line: u32, column: u32): void {
  const thread = runningThread();
  let at = appendHookString(thread, beginFailure(thread), message, "it gave up");
  at = appendText(at, " at ");
  at = appendHookString(thread, at, file, "an unknown place");
  store<u8>(at++, 58);
  at = appendDecimal(at, line);
  store<u8>(at++, 58);
  endFailure(thread, appendDecimal(at, column));
}
