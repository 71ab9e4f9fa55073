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
// Hooks come in front of all that: sums (patch/inline-counters.ts), or calls (hook/instruction.ts), by way of a gate:
//
//    0  65 48 89 0c 25 <disp32>   mov    %rcx,%gs:SAVED_RCX      f4 (hlt) in front when gs base is the program's: the
//    9  65 4c 89 1c 25 <disp32>   mov    %r11,%gs:SAVED_R11      signal gate then calls the hooks
//   18  48 8d 0d 05 00 00 00      lea    30(%rip),%rcx           the descriptor
//   25  e9 <rel32>                jmp    island                  -> gateInstruction
//   30  <rel32>                   site - 30
//   34  <u8> <u8> <u8> 00         hooks, one bit each; bytes of the site; 1 when it is entered by a call
//   38                            the instruction
//
// Until the last jump is done the call has not begun: a signal or a fault sees the site and its rsp (invariant I3). What lies
// under that rsp is the call's to overwrite.

import { BLOCK_SAVED_R11, BLOCK_SAVED_RCX } from "../../abi/thread-block";
import { Address, peek8 } from "../process";
import { resumeAtInstruction } from "../hook/record";
import { ThreadBlock } from "../thread/block";
import { programOwnsGs } from "../thread/gs-base";
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
import { ENTERED_BY_CALL, INSTRUCTION, Record, originalBytes, translate } from "./record";
import { JUMP_SIZE, doneOffset, emitJump, endsFlow, placeOf, relocate, relocatedSize } from "./relocate";

const PUSH_SIZE: u32 = 20;
/** Where in the pushing sequence rsp is already the callee's. */
const PUSHED: u32 = 5;
/** disp0 or disp8 may become disp32. */
const GROWTH: u32 = 4;

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

function isCall(moved: Instruction): bool {
  return moved.flow == FLOW_CALL_RELATIVE || moved.flow == FLOW_CALL_INDIRECT;
}

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

/** Bytes that hooks take in front of the instruction. */
const HOOKS_SIZE: u32 = 38;
const AFTER_SAVES: u32 = 18;
const DESCRIPTOR: u64 = 30;
/** `f4`: faults in user mode. */
export const HALT: u8 = 0xf4;

function emitHooks(pointer: usize, record: Record, hooks: u32, island: Address): void {
  store<u32>(pointer, 0x0c894865); // mov %rcx,%gs:disp32
  store<u8>(pointer, 0x25, 4);
  store<u32>(pointer, BLOCK_SAVED_RCX, 5);
  store<u32>(pointer, 0x1c894c65, 9); // mov %r11,%gs:disp32
  store<u8>(pointer, 0x25, 13);
  store<u32>(pointer, BLOCK_SAVED_R11, 14);
  if (programOwnsGs) store<u8>(pointer, HALT);
  store<u32>(pointer, 0x050d8d48, 18); // lea 30(%rip),%rcx
  store<u32>(pointer, 0, 22);
  const reached = emitJump(pointer + 25, record.address + 25, island);
  assert(reached, "a trampoline is out of reach of its island");
  store<u32>(pointer, (record.original - (record.address + DESCRIPTOR)) as u32, 30);
  store<u8>(pointer, hooks as u8, 34);
  store<u8>(pointer, record.length, 35);
  store<u8>(pointer, record.entry == ENTERED_BY_CALL ? 1 : 0, 36);
  store<u8>(pointer, 0, 37);
}

/** What a descriptor says: which hooks, how long the site is, whether it is a call. */
export function hooksOfDescriptor(descriptor: Address): u32 {
  return peek8(descriptor + 4);
}
export function sizeOfDescriptor(descriptor: Address): u64 {
  return peek8(descriptor + 5) as u64;
}
/** How far rsp is under the program's at the site. */
export function pushedAtDescriptor(descriptor: Address): u64 {
  return peek8(descriptor + 6) != 0 ? 8 : 0;
}
/** Where the instruction itself is. */
export function bodyOfDescriptor(descriptor: Address): Address {
  return descriptor + 8;
}
/** What is in front of an instruction: Record.cookie is its size, the hooks << 8, and its form << 16. */
const BY_GATE: u32 = 1;
const INLINE: u32 = 2;
const INLINE_FLAGS_DEAD: u32 = 3;

function frontOf(record: Record): u32 {
  return (record.cookie as u32) & 0xff;
}
function hooksOf(record: Record): u32 {
  return ((record.cookie as u32) >> 8) & 0xff;
}
function formOf(record: Record): u32 {
  return (record.cookie as u32) >> 16;
}
/** Whether hooks come in front of the instruction. */
export function hasHooks(record: Record): bool {
  return record.kind == INSTRUCTION && record.cookie != 0;
}
/** The descriptor of a trampoline that leads to the gate; 0 when it does not. */
export function descriptorOf(record: Record): Address {
  return hasHooks(record) && formOf(record) == BY_GATE ? record.address + DESCRIPTOR : 0;
}
/** Does in the engine what a trampoline's own sums would, and gives where the instruction is. */
export function passInline(thread: ThreadBlock, record: Record): Address {
  countInline(thread, hooksOf(record));
  return record.address + (frontOf(record) as u64);
}

/** Beside a site's hooks: nobody looks at RFLAGS before they are written again. */
export const FLAGS_DEAD: u32 = 0x100;

/** Bytes that a site's hooks take in front of the instruction. */
export function hooksSize(hooks: u32): u32 {
  const calls = hooks & 0xff;
  if (calls == 0) return 0;
  const size = inlineSize(calls, (hooks & FLAGS_DEAD) != 0);
  return size != 0 ? size : HOOKS_SIZE;
}

/**
 * Writes the trampoline of an instruction that is a site, and makes its record an INSTRUCTION.
 * @param hooks those that are called there: bit n for hook n, and FLAGS_DEAD
 * @param island process address of the jump to their gate
 * @returns its size
 */
export function emitInstructionTrampoline(
  pointer: usize,
  record: Record,
  resume: Address,
  hooks: u32,
  island: Address,
): u32 {
  const original = originalBytes(record);
  decode(original, record.length, changetype<usize>(instruction));
  record.kind = INSTRUCTION;
  const front = hooksSize(hooks);
  const calls = hooks & 0xff;
  let form: u32 = 0;
  if (front != 0) {
    const isDead = (hooks & FLAGS_DEAD) != 0;
    if (inlineSize(calls, isDead) != 0) {
      emitInline(pointer, calls, isDead);
      form = isDead ? INLINE_FLAGS_DEAD : INLINE;
    } else {
      emitHooks(pointer, record, calls, island);
      form = BY_GATE;
    }
  }
  record.cookie = front | (calls << 8) | (form << 16);
  const body = record.address + (front as u64);
  if (isCall(instruction)) return front + emitCall(pointer + front, record, original, body);
  const size = front + relocate(instruction, original, record.original, pointer + front, body);
  assert(size != front, "an instruction does not fit where it was planned");
  record.done = (front + doneOffset(instruction)) as u8;
  if (endsFlow(instruction) || instruction.flow == FLOW_LOOP) return size;
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

/** On the way to the hooks, which have not been called: `context` becomes the site's. */
export function undoHooks(thread: ThreadBlock, context: Context, descriptor: Address): void {
  context.rip = siteOfDescriptor(descriptor);
  context.rcx = thread.savedRcx;
  context.r11 = thread.savedR11;
  context.rsp += pushedAtDescriptor(descriptor);
}

/** Turns a context inside an instruction's trampoline into the program's state. */
export function instructionTrampolineState(thread: ThreadBlock, context: Context, record: Record): void {
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
  if (form == BY_GATE && offset >= front) resumeAtInstruction(thread, record.original);
  if (form > BY_GATE) undoInline(thread, context, hooksOf(record), form == INLINE_FLAGS_DEAD, min(offset, front));
}
