// Hooks at an instruction: `before` in front of it, `after` behind it, on the engine stack, with the program's registers in the
// gate's frame. The way there is in patch/way-to-hooks.ts.
//
// Signals that arrive meanwhile are deferred. In front of the instruction their handlers find the state before it (invariant I3).
// When they return to it, the trampoline begins again, and the hooks must not: the thread's call record (record.ts) remembers,
// along with the signal's frame, that they are done. Behind it handlers find the state of the next instruction, and one that
// comes before the hooks has them called first: nothing has to be remembered.
//
// A thread whose gs base is the program's comes through the signal gate instead of the gate: the hooks run on the alternate
// stack, with the frame that a gate would have filled.

import {
  FRAME_R10,
  FRAME_R11,
  FRAME_R12,
  FRAME_R13,
  FRAME_R14,
  FRAME_R15,
  FRAME_R8,
  FRAME_R9,
  FRAME_RAX,
  FRAME_RBP,
  FRAME_RBX,
  FRAME_RCX,
  FRAME_RDI,
  FRAME_RDX,
  FRAME_RSI,
  FRAME_RSP,
} from "../../abi/thread-block";
import { undoHooks } from "../patch/instruction-trampoline";
import { Record, findTrampoline, originalBytes } from "../patch/record";
import {
  bodyOfDescriptor,
  hooksOfDescriptor,
  isBehindInstruction,
  nextOfDescriptor,
  pushedAtDescriptor,
} from "../patch/way-to-hooks";
import { readFsBase } from "../process";
import { GateFrame, ThreadBlock, gateFrameOf } from "../thread/block";
import { loadGateFrame, storeGateFrame } from "../thread/interrupted";
import { lockEngine, unlockEngine } from "../thread/lock";
import { Context } from "../thread/signal-frame";
import { siteOfDescriptor } from "../thread/trampoline";
import { decode } from "../x86/decode";
import { Facts, REGISTER_RIP, describe } from "../x86/facts";
import { Instruction, PREFIX_ADDRESS_SIZE } from "../x86/instruction";
import { IN_AFTER_INSTRUCTION, IN_INSTRUCTION, NOTHING, SKIP, enterHook } from "./call";
import { isInstructionResumed, resumeAtInstruction } from "./record";
import { afterInstructionEntry, beforeInstructionEntry, replaces } from "./table";

/** CF, PF, AF, ZF, SF and OF: what a hook can change. */
export const STATUS_FLAGS: u64 = 0x8d5;

/** Where general registers are in a gate's frame, by their numbers in ModRM and REX. */
export const PLACES = memory.data<i32>([
  FRAME_RAX,
  FRAME_RCX,
  FRAME_RDX,
  FRAME_RBX,
  FRAME_RSP,
  FRAME_RBP,
  FRAME_RSI,
  FRAME_RDI,
  FRAME_R8,
  FRAME_R9,
  FRAME_R10,
  FRAME_R11,
  FRAME_R12,
  FRAME_R13,
  FRAME_R14,
  FRAME_R15,
]);
export const RSP: u32 = 4;
const RSI: u32 = 6;
const RDI: u32 = 7;
/** Facts.segment. */
const FS: u8 = 1;
const GS: u8 = 2;

function enterAtInstruction(thread: ThreadBlock, hook: u32): void {
  enterHook(thread, hook, beforeInstructionEntry(hook), IN_INSTRUCTION);
  if (!replaces(hook) || thread.hookWish == SKIP) return;
  thread.hookWish = SKIP;
  thread.hookResult = 0;
}

function runHooks(thread: ThreadBlock, frame: GateFrame, descriptor: u64): void {
  thread.site = siteOfDescriptor(descriptor);
  thread.after = bodyOfDescriptor(descriptor);
  const hooks = hooksOfDescriptor(descriptor);
  if (isBehindInstruction(descriptor)) return runBehind(thread, hooks);
  if (isInstructionResumed(thread)) return;
  thread.hookWish = NOTHING;
  for (let left = hooks; left != 0 && thread.hookWish == NOTHING; left &= left - 1)
    enterAtInstruction(thread, ctz(left));
  if (thread.hookWish != SKIP) return;
  frame.rsp += pushedAtDescriptor(descriptor);
  thread.after = thread.hookResult != 0 ? thread.hookResult : nextOfDescriptor(descriptor);
}

/** The last hook to see an instruction's beginning is the first to see its end. */
function runBehind(thread: ThreadBlock, hooks: u32): void {
  thread.hookWish = NOTHING;
  for (let left = hooks; left != 0;) {
    const hook = 31 - clz(left);
    left ^= 1 << hook;
    enterHook(thread, hook, afterInstructionEntry(hook), IN_AFTER_INSTRUCTION);
  }
  if (thread.hookWish == SKIP) thread.after = thread.hookResult;
}

/** A thread has come in through the gate of instructions; it goes on at `after`. */
export function onInstruction(thread: ThreadBlock): void {
  const frame = gateFrameOf(thread);
  runHooks(thread, frame, frame.target);
}

/** The program's state once the gate of instructions has been left, or before the site when that is still to come. */
export function loadInstructionState(thread: ThreadBlock, context: Context, descriptor: u64): void {
  const goesOn = thread.after == bodyOfDescriptor(descriptor);
  if (!goesOn || isBehindInstruction(descriptor)) {
    context.rip = goesOn ? nextOfDescriptor(descriptor) : thread.after;
    return;
  }
  context.rip = thread.site;
  context.rsp += pushedAtDescriptor(descriptor);
  resumeAtInstruction(thread, thread.site);
}

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));
const facts = changetype<Facts>(memory.data(64, 8));

/** A register of the program's, by its number in ModRM and REX. */
export function registerOf(thread: ThreadBlock, number: u32): u64 {
  const frame = gateFrameOf(thread);
  const value = load<u64>(changetype<usize>(frame) + (load<u32>(PLACES + (number << 2)) as usize));
  return number == RSP ? value + pushedAtDescriptor(frame.target) : value;
}

/** The sum that an operand's address is; `code` is the instruction's bytes, which are at `address`. */
function addressOfOperand(thread: ThreadBlock, code: usize, address: u64): u64 {
  describe(code, changetype<usize>(instruction), changetype<usize>(facts));
  if (facts.memoryAccess == 0) {
    if (facts.rdiAccess != 0) return registerOf(thread, RDI);
    return facts.rsiAccess != 0 ? registerOf(thread, RSI) : 0;
  }
  if (facts.isVectorIndex || facts.segment == GS || facts.isKnown == 0) return 0;
  let sum: i64 = 0;
  if (instruction.dispSize == 1) sum = (load<i8>(code + instruction.dispOffset) as i64) * (facts.disp8Scale as i64);
  else if (instruction.dispSize == 4) sum = load<i32>(code + instruction.dispOffset);
  else if (instruction.dispSize == 8) sum = load<i64>(code + instruction.dispOffset);
  let at = sum as u64;
  if (facts.base == REGISTER_RIP) at += address + (instruction.length as u64);
  else if (facts.base < 16) at += registerOf(thread, facts.base);
  if (facts.index < 16) at += registerOf(thread, facts.index) * (facts.scale as u64);
  if (instruction.prefixes & PREFIX_ADDRESS_SIZE) at &= 0xffffffff;
  return facts.segment == FS ? at + readFsBase() : at;
}

/** The address of the site's operand in memory: 0 when it has none, or it is many (gathers) or relative to gs. */
export function operandAddress(thread: ThreadBlock): u64 {
  if (!thread.hookHasLock) lockEngine(thread);
  const pointer = findTrampoline(gateFrameOf(thread).target);
  assert(pointer != 0, "a hook is called without a trampoline");
  const record = changetype<Record>(pointer);
  const code = originalBytes(record);
  decode(code, record.length, changetype<usize>(instruction));
  const address = addressOfOperand(thread, code, record.original);
  if (!thread.hookHasLock) unlockEngine();
  return address;
}

/** Calls the hooks from the signal gate, and lets the thread go on behind them. */
export function runHooksInSignal(thread: ThreadBlock, context: Context, descriptor: u64): void {
  const frame = gateFrameOf(thread);
  storeGateFrame(frame, context);
  frame.target = descriptor;
  runHooks(thread, frame, descriptor);
  loadGateFrame(thread, context);
  context.rcx = frame.rcx;
  context.rip = thread.after;
}

/** A thread that is on its way to hooks, before they are called, is at the site, or behind the instruction and its hooks. */
export function leaveWayToHooks(thread: ThreadBlock, context: Context, descriptor: u64): void {
  undoHooks(thread, context, descriptor);
  if (isBehindInstruction(descriptor)) runHooksBehind(thread, context, descriptor);
}

/**
 * A signal has come when an instruction was done, and before the hooks behind it: calls them.
 * @param context the state behind the instruction, which becomes the one behind the hooks
 */
export function runHooksBehind(thread: ThreadBlock, context: Context, descriptor: u64): void {
  runHooksInSignal(thread, context, descriptor);
  if (context.rip == bodyOfDescriptor(descriptor)) context.rip = nextOfDescriptor(descriptor);
}
