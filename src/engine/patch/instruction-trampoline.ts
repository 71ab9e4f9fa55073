// The trampoline of an instruction that is a site and no system call: the instruction, as it must be there, and the way back.
//
// Most are like a victim's (patch/relocate.ts). A call must push the address after its site. Where the site itself became a
// `call` to the trampoline that is done already; elsewhere the trampoline writes it, with instructions that leave RFLAGS
// alone, and memory operands that are relative to rsp lie 8 bytes further:
//
//    0  48 8d 64 24 f8            lea    -8(%rsp),%rsp           absent when the site is a call
//    5  c7 04 24 <imm32>          movl   $low,(%rsp)
//   12  c7 44 24 04 <imm32>       movl   $high,4(%rsp)
//   20  e9 <rel32>                jmp    target                  of call rel32
//       ff /4                     jmp    *r/m                    of call *r/m
//
// Hooks come in front of all that: sums (patch/inline-counters.ts), or calls by way of a gate (patch/way-to-hooks.ts). Where the
// instruction goes on to the next one, such a way is also between it and the jump back, for hooks that are called behind it:
//
//        sums, or the way to hooks    `front` bytes
//        the instruction
// done   the way to hooks
//        jmp back
//
// Until a call's last jump is done it has not begun: a signal or a fault sees the site and its rsp (invariant I3). What lies
// under that rsp is the call's to overwrite.

import { resumeAtInstruction } from "../hook/record";
import { hooksBehind, hooksInFront } from "../hook/table";
import { Address } from "../process";
import { ThreadBlock } from "../thread/block";
import { Context } from "../thread/signal-frame";
import { siteOfDescriptor } from "../thread/trampoline";
import { decode } from "../x86/decode";
import {
  FLOW_CALL_INDIRECT,
  FLOW_CALL_RELATIVE,
  FLOW_LOOP,
  Instruction,
  PREFIX_ADDRESS_SIZE,
  PREFIX_OPERAND_SIZE,
} from "../x86/instruction";
import { countInline, emitInline, inlineSize, undoInline } from "./inline-counters";
import { countSite, emitSiteCounter, siteCounterSize, undoSiteCounter } from "./site-counter";
import { ENTERED_BY_CALL, INSTRUCTION, Record, originalBytes, tailEnd, translate } from "./record";
import { JUMP_SIZE, doneOffset, emitJump, endsFlow, isCall, placeOf, relocate, relocatedSize } from "./relocate";
import { bytesToRelocate } from "./skipped-prefix";
import {
  AFTER_SAVES,
  BEHIND,
  DESCRIPTOR,
  WAY_SIZE,
  emitWayToHooks,
  isBehindInstruction,
  nextOfDescriptor,
  pushedAtDescriptor,
} from "./way-to-hooks";

const PUSH_SIZE: u32 = 20;
/** Where in the pushing sequence rsp is already the callee's. */
const PUSHED: u32 = 5;
/** disp0 or disp8 may become disp32. */
const GROWTH: u32 = 4;

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

const REG_MASK: u8 = 0x38;
/** ModRM.reg of `call r/m64`, and of `jmp r/m64`: SDM volume 2, table A-6, group 5. */
const CALL_NEAR: u8 = 2 << 3;
const JUMP_NEAR: u8 = 4 << 3;
const RSP: u8 = 4;

function usesStackPointer(call: Instruction): bool {
  if (call.modrm >= 0xc0) return (call.modrm & 7) == RSP && (call.rex & 1) == 0;
  return call.hasSib != 0 && (call.sib & 7) == RSP && (call.rex & 1) == 0;
}

/** Whether a call can run in a trampoline. */
function canMoveCall(call: Instruction): bool {
  if (call.prefixes & (PREFIX_OPERAND_SIZE | PREFIX_ADDRESS_SIZE)) return false;
  if (call.flow == FLOW_CALL_RELATIVE) return true;
  if (call.opcode != 0xff || (call.modrm & REG_MASK) != CALL_NEAR || call.rexHigh != 0) return false;
  // `call *%rsp` would jump to the pushed address.
  return call.modrm < 0xc0 || !usesStackPointer(call);
}

/** Most bytes of the trampoline of an instruction; 0 when it cannot be one's. */
export function instructionTrampolineSize(moved: Instruction): u32 {
  if (isCall(moved)) {
    if (!canMoveCall(moved)) return 0;
    return PUSH_SIZE + (moved.flow == FLOW_CALL_RELATIVE ? JUMP_SIZE : (moved.length as u32) + GROWTH);
  }
  const size = relocatedSize(moved);
  if (size == 0) return 0;
  return size + (endsFlow(moved) || moved.flow == FLOW_LOOP ? 0 : JUMP_SIZE);
}

function emitPush(pointer: usize, value: Address): void {
  store<u32>(pointer, 0x24648d48); // lea -8(%rsp),%rsp
  store<u8>(pointer, 0xf8, 4);
  store<u16>(pointer, 0x04c7, 5); // movl $low,(%rsp)
  store<u8>(pointer, 0x24, 7);
  store<u32>(pointer, value as u32, 8);
  store<u32>(pointer, 0x042444c7, 12); // movl $high,4(%rsp)
  store<u32>(pointer, (value >> 32) as u32, 16);
}

/** Writes `jmp *r/m` for `call *r/m` whose address is pushed already; gives its size. */
function emitIndirectJump(pointer: usize, at: Address, original: usize, address: Address): u32 {
  const modrm = (instruction.modrm & ~REG_MASK) | JUMP_NEAR;
  const isOnStack = instruction.modrm < 0xc0 && usesStackPointer(instruction);
  if (!isOnStack) {
    memory.copy(pointer, original, instruction.length);
    store<u8>(pointer + instruction.modrmOffset, modrm);
    if (instruction.ripRelative) {
      const next = at + (instruction.length as u64);
      store<i32>(pointer + instruction.dispOffset, (placeOf(instruction, original, address) - next) as i32);
    }
    return instruction.length;
  }
  // Prefixes, opcode, ModRM and SIB; then disp32 = disp + 8.
  const head = (instruction.modrmOffset as usize) + 2;
  memory.copy(pointer, original, head);
  store<u8>(pointer + instruction.modrmOffset, (modrm & 0x3f) | 0x80);
  let displacement: i32 = 0;
  if (instruction.dispSize == 1) displacement = load<i8>(original + instruction.dispOffset);
  else if (instruction.dispSize == 4) displacement = load<i32>(original + instruction.dispOffset);
  store<i32>(pointer + head, displacement + 8);
  return (head as u32) + 4;
}

function emitCall(pointer: usize, record: Record, original: usize, body: Address): u32 {
  let size: u32 = 0;
  if (record.entry != ENTERED_BY_CALL) {
    emitPush(pointer, record.original + (record.length as u64));
    size = PUSH_SIZE;
  }
  const at = body + (size as u64);
  if (instruction.flow == FLOW_CALL_INDIRECT)
    return size + emitIndirectJump(pointer + size, at, original, record.original);
  const reached = emitJump(pointer + size, at, placeOf(instruction, original, record.original));
  assert(reached, "a call is out of reach of its trampoline");
  return size + JUMP_SIZE;
}

/**
 * What is in front of an instruction and behind it: Record.cookie is the size of what is in front, its hooks << 8, its form << 16,
 * and the hooks behind << 24.
 */
const BY_GATE: u32 = 1;
const INLINE: u32 = 2;
const INLINE_FLAGS_DEAD: u32 = 3;
const COUNTER: u32 = 4;
const COUNTER_FLAGS_DEAD: u32 = 5;

function frontOf(record: Record): u32 {
  return (record.cookie as u32) & 0xff;
}
function hooksOf(record: Record): u32 {
  return ((record.cookie as u32) >> 8) & 0xff;
}
function formOf(record: Record): u32 {
  return ((record.cookie as u32) >> 16) & 0xff;
}
/** Whether hooks come in front of the instruction, or it is counted there. */
export function hasFront(record: Record): bool {
  return record.kind == INSTRUCTION && frontOf(record) != 0;
}
/** Where the way to hooks behind the instruction begins; 0 when there are none. */
export function behindOf(record: Record): Address {
  const hasBehind = record.kind == INSTRUCTION && (record.cookie as u32) >> 24 != 0;
  return hasBehind ? record.address + (tailEnd(record) as u64) : 0;
}
/** Where the way to hooks begins whose saves are at `rip`, in front of an instruction or behind it; 0 when it is not among any. */
export function wayFrom(record: Record, rip: Address): Address {
  const behind = behindOf(record);
  if (behind != 0 && rip - behind < (AFTER_SAVES as u64)) return behind;
  return hasFront(record) && rip - record.address < (AFTER_SAVES as u64) ? record.address : 0;
}
/** The descriptor of a way to hooks that begins at `start`; 0 where sums are done instead. */
export function descriptorAt(record: Record, start: Address): Address {
  return start == record.address && formOf(record) != BY_GATE ? 0 : start + DESCRIPTOR;
}
/** Does in the engine what a trampoline's own sums would, and gives where the instruction is. */
export function passInline(thread: ThreadBlock, record: Record): Address {
  const form = formOf(record);
  if (form < COUNTER) countInline(thread, hooksOf(record));
  else countSite(record.address, form == COUNTER_FLAGS_DEAD);
  return record.address + (frontOf(record) as u64);
}

/** Beside a site's hooks: nobody looks at RFLAGS before they are written again. */
export const FLAGS_DEAD: u32 = 0x100;

/** The site counts how often it runs (patch/site-counter.ts), in the place of hooks. */
export const COUNTED: u32 = 0x200;

/** Bytes that a site's hooks take in front of the instruction, and behind it. */
export function hooksSize(moved: Instruction, hooks: u32): u32 {
  return frontSize(hooks) + (callsBehind(moved, hooks) != 0 ? WAY_SIZE : 0);
}

/** The hooks that are called behind an instruction: none where it does not go on to the next one, or to it in two ways. */
function callsBehind(moved: Instruction, hooks: u32): u32 {
  return isCall(moved) || endsFlow(moved) || moved.flow == FLOW_LOOP ? 0 : hooksBehind(hooks & 0xff);
}

function frontSize(hooks: u32): u32 {
  const calls = hooksInFront(hooks & 0xff);
  const isDead = (hooks & FLAGS_DEAD) != 0;
  if (calls == 0) return hooks & COUNTED ? siteCounterSize(isDead) : 0;
  const size = inlineSize(calls, isDead);
  return size != 0 ? size : WAY_SIZE;
}

/** The form of what is in front of an instruction; 0 when there is nothing. */
function formFor(hooks: u32): u32 {
  if (frontSize(hooks) == 0) return 0;
  const calls = hooksInFront(hooks & 0xff);
  const isDead = (hooks & FLAGS_DEAD) != 0;
  if (calls == 0) return isDead ? COUNTER_FLAGS_DEAD : COUNTER;
  if (inlineSize(calls, isDead) == 0) return BY_GATE;
  return isDead ? INLINE_FLAGS_DEAD : INLINE;
}

/** Record.cookie of an instruction with these hooks: two records of it with the same one have the same trampoline. */
export function instructionCookie(moved: Instruction, hooks: u32): usize {
  const calls = hooksInFront(hooks & 0xff);
  return frontSize(hooks) | (calls << 8) | (formFor(hooks) << 16) | (callsBehind(moved, hooks) << 24);
}

/**
 * Writes the trampoline of an instruction that is a site, and makes its record an INSTRUCTION.
 * @param hooks those that act there: bit n for hook n, FLAGS_DEAD, COUNTED
 * @param count process address of the site's count
 * @param island process address of the jump to their gate
 * @returns its size
 */
export function emitInstructionTrampoline(
  pointer: usize,
  record: Record,
  resume: Address,
  hooks: u32,
  count: Address,
  island: Address,
): u32 {
  const original = originalBytes(record);
  decode(original, record.length, changetype<usize>(instruction));
  record.kind = INSTRUCTION;
  const front = frontSize(hooks);
  const calls = hooksInFront(hooks & 0xff);
  const isDead = (hooks & FLAGS_DEAD) != 0;
  record.cookie = instructionCookie(instruction, hooks);
  const form = formOf(record);
  if (form >= COUNTER) emitSiteCounter(pointer, count, isDead);
  else if (form > BY_GATE) emitInline(pointer, calls, isDead);
  else if (form == BY_GATE) emitWayToHooks(pointer, record.address, record, calls, 0, island);
  const behind = callsBehind(instruction, hooks);
  const body = record.address + (front as u64);
  if (isCall(instruction)) return front + emitCall(pointer + front, record, original, body);
  let size = front + relocate(instruction, bytesToRelocate(record), record.original, pointer + front, body);
  assert(size != front, "an instruction does not fit where it was planned");
  record.done = (front + doneOffset(instruction)) as u8;
  if (endsFlow(instruction) || instruction.flow == FLOW_LOOP) return size;
  if (behind != 0) {
    emitWayToHooks(pointer + size, record.address + (size as u64), record, behind, BEHIND, island);
    size += WAY_SIZE;
  }
  const reached = emitJump(pointer + size, record.address + (size as u64), resume);
  assert(reached, "a trampoline's jump back is out of reach");
  return size + JUMP_SIZE;
}

/** Whether a record is of a call; then a thread in its trampoline has not begun it, and `context` becomes the site's. */
function undoCall(record: Record, context: Context): bool {
  decode(originalBytes(record), record.length, changetype<usize>(instruction));
  if (!isCall(instruction)) return false;
  const offset = (context.rip - record.address) as u32;
  if (record.entry == ENTERED_BY_CALL || offset >= frontOf(record) + PUSHED) context.rsp += 8;
  context.rip = record.original;
  return true;
}

function loadSaved(thread: ThreadBlock, context: Context): void {
  context.rcx = thread.savedRcx;
  context.r11 = thread.savedR11;
}

/**
 * On the way to hooks, which have not been called: `context` becomes the site's, or that behind the instruction, when they are
 * called there. They are then yet to be called.
 */
export function undoHooks(thread: ThreadBlock, context: Context, descriptor: Address): void {
  loadSaved(thread, context);
  context.rip = isBehindInstruction(descriptor) ? nextOfDescriptor(descriptor) : siteOfDescriptor(descriptor);
  context.rsp += pushedAtDescriptor(descriptor);
}

/**
 * Turns a context inside an instruction's trampoline into the program's state.
 * @returns the descriptor of hooks that are yet to be called for that: the instruction is done, and its registers are in the
 *     context; else 0
 */
export function instructionTrampolineState(thread: ThreadBlock, context: Context, record: Record): Address {
  const behind = behindOf(record);
  if (behind != 0 && context.rip >= record.address + (record.done as u64)) {
    const passed = max((context.rip - behind) as i64, 0) as u32;
    if (passed >= AFTER_SAVES && passed < WAY_SIZE) loadSaved(thread, context);
    context.rip = record.original + (record.length as u64);
    return passed < WAY_SIZE ? behind + DESCRIPTOR : 0;
  }
  stateInFront(thread, context, record);
  return 0;
}

/** The same before the instruction is done, or where nothing follows it. */
function stateInFront(thread: ThreadBlock, context: Context, record: Record): void {
  const offset = (context.rip - record.address) as u32;
  const front = frontOf(record);
  const form = formOf(record);
  if (form == BY_GATE && offset >= AFTER_SAVES && offset < front)
    return undoHooks(thread, context, record.address + DESCRIPTOR);
  if (offset < front) {
    context.rip = record.original;
    if (record.entry == ENTERED_BY_CALL) context.rsp += 8;
  } else if (!undoCall(record, context)) {
    context.rip = offset == front ? record.original : translate(record, context.rip);
    if (offset != front) return;
  }
  if (form == 0) return;
  // When the handler returns the thread goes on behind the hooks: beginning again could take it forever, where each attempt is a
  // fault and a timer is as fast as that.
  if (offset >= front && (form == BY_GATE || (offset == front && record.entry != ENTERED_BY_CALL))) {
    resumeAtInstruction(thread, record.original);
  } else if (form >= COUNTER) {
    undoSiteCounter(thread, context, record.address, form == COUNTER_FLAGS_DEAD, min(offset, front));
  } else if (form > BY_GATE) {
    undoInline(thread, context, hooksOf(record), form == INLINE_FLAGS_DEAD, min(offset, front));
  }
}

/**
 * Where a thread goes on that has had its hooks at a site; 0 when it must come to the site again, since a call has pushed its
 * address there, or the trampoline is gone.
 */
export function behindHooks(record: Record): Address {
  return hasFront(record) && record.entry != ENTERED_BY_CALL ? record.address + (frontOf(record) as u64) : 0;
}
