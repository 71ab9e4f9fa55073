// Moving one instruction into a trampoline.
//
// Most instructions mean the same anywhere and are copied. What depends on its own address is re-encoded so that the
// effect is that of the original place, with the SDM's encodings:
//
//   disp32(%rip)      the displacement is corrected                      volume 2, section 2.2.1.6
//   jmp rel8, rel32   e9 <rel32>
//   jcc rel8, rel32   0f 8x <rel32>
//   loop, jrcxz       there is no rel32 form: see below
//   xbegin rel32      the abort target is corrected
//   popf              a nop follows it: see tailSize
//
//   e2 05             loop   1f                e0..e3, with 67 when the original has it
//   e9 <rel32>        jmp    next
//   e9 <rel32>     1: jmp    target
//
// Refused, never guessed: calls (they push the address after them), `syscall` (it leaves that address in rcx), interrupts
// and traps (the handler sees the address), `endbr64` (it must stay where it is), a 66 prefix on a relative branch (AMD
// cuts rip to 16 bits, Intel ignores it: SDM and APM on `jmp`), disp32(%eip), and what is out of reach.

import {
  FLOW_CALL_INDIRECT,
  FLOW_CALL_RELATIVE,
  FLOW_INTERRUPT,
  FLOW_JUMP_CONDITIONAL,
  FLOW_JUMP_INDIRECT,
  FLOW_JUMP_RELATIVE,
  FLOW_LOOP,
  FLOW_RETURN,
  FLOW_STOP,
  FLOW_SYSCALL,
  FLOW_SYSENTER,
  FLOW_XBEGIN,
  Instruction,
  MAP_0F,
  MAP_ONE_BYTE,
  PREFIX_ADDRESS_SIZE,
  PREFIX_OPERAND_SIZE,
} from "../x86/instruction";
import { Address } from "../process";

/** `e9 <rel32>`. */
export const JUMP_SIZE: u32 = 5;
/** Longest relocated instruction: a loop with a 67 prefix. */
export const RELOCATED_MAX: u32 = 15;

/** Whether control never goes on to the next instruction. */
export function endsFlow(instruction: Instruction): bool {
  const flow = instruction.flow;
  return flow == FLOW_JUMP_RELATIVE || flow == FLOW_JUMP_INDIRECT || flow == FLOW_RETURN || flow == FLOW_STOP;
}

/** Whether the instruction is a near call. */
export function isCall(instruction: Instruction): bool {
  return instruction.flow == FLOW_CALL_RELATIVE || instruction.flow == FLOW_CALL_INDIRECT;
}

/** Whether the instruction has a rel8 or rel32, which names a place in the code. */
export function isRelativeBranch(instruction: Instruction): bool {
  const flow = instruction.flow;
  return (
    flow == FLOW_JUMP_RELATIVE ||
    flow == FLOW_JUMP_CONDITIONAL ||
    flow == FLOW_LOOP ||
    flow == FLOW_XBEGIN ||
    flow == FLOW_CALL_RELATIVE
  );
}

function signed(pointer: usize, size: u32): i64 {
  if (size == 1) return load<i8>(pointer) as i64;
  if (size == 2) return load<i16>(pointer) as i64;
  return load<i32>(pointer) as i64;
}

/** Whether the instruction means an address relative to itself; `placeOf` says which. */
export function isPlaceDependent(instruction: Instruction): bool {
  return instruction.ripRelative != 0 || isRelativeBranch(instruction);
}

/** The address that a RIP-relative operand or a relative branch means. */
export function placeOf(instruction: Instruction, pointer: usize, address: Address): Address {
  const next = address + (instruction.length as u64);
  if (instruction.ripRelative) return next + (load<i32>(pointer + instruction.dispOffset) as i64 as u64);
  assert(isRelativeBranch(instruction), "the instruction does not depend on its place");
  return next + (signed(pointer + instruction.immOffset, instruction.immSize) as u64);
}

/** Whether `f3 0f 1e fa` or a relative of it: `endbr64`, `endbr32`, `rdsspq`. The last two lose nothing by staying. */
function isLandingPad(instruction: Instruction): bool {
  return instruction.map == MAP_0F && instruction.opcode == 0x1e && instruction.modrm >= 0xc0;
}

/**
 * Size of the instruction in a trampoline, without the jump back; 0 when it cannot be moved.
 * For all but loops, the jump back to the next instruction follows; a loop's is part of it.
 */
export function relocatedSize(instruction: Instruction): u32 {
  const flow = instruction.flow;
  if (isCall(instruction)) return 0;
  if (flow == FLOW_SYSCALL || flow == FLOW_SYSENTER || flow == FLOW_INTERRUPT || flow == FLOW_STOP) return 0;
  if (isLandingPad(instruction)) return 0;
  const prefixes = instruction.prefixes;
  if (isRelativeBranch(instruction) && (prefixes & PREFIX_OPERAND_SIZE) != 0) return 0;
  if (instruction.ripRelative != 0 && (prefixes & PREFIX_ADDRESS_SIZE) != 0) return 0;
  if (flow == FLOW_JUMP_RELATIVE) return JUMP_SIZE;
  if (flow == FLOW_JUMP_CONDITIONAL) return 6;
  if (flow == FLOW_LOOP) return (prefixes & PREFIX_ADDRESS_SIZE) != 0 ? 13 : 12;
  if (flow == FLOW_XBEGIN) return 6;
  return (instruction.length as u32) + tailSize(instruction);
}

const POPF: u32 = 0x9d;
const NOP: u8 = 0x90;

/**
 * Bytes of `nop` behind the relocated instruction. Where `popf` sets the trap flag the next instruction is executed before there is a
 * trap (SDM volume 3, "Single-Step Exception Condition"). That must not be the jump back, or nobody could tell whether the trap behind that is one
 * that the program sees natively (thread/single-step.ts).
 */
export function tailSize(instruction: Instruction): u32 {
  return instruction.map == MAP_ONE_BYTE && instruction.opcode == POPF ? 1 : 0;
}

/** Writes `e9 <rel32>` at `pointer`, which will be at `from` in the process. False when `to` is out of reach. */
export function emitJump(pointer: usize, from: Address, to: Address): bool {
  // e9 <rel32>         jmp    to
  store<u8>(pointer, 0xe9);
  return emitRel32(pointer + 1, from + JUMP_SIZE, to);
}

/** Writes the rel32 or disp32 that ends before `next` or belongs to an instruction that does. */
function emitRel32(pointer: usize, next: Address, to: Address): bool {
  const distance = (to - next) as i64;
  store<i32>(pointer, distance as i32);
  return distance == (distance as i32 as i64);
}

/** The loop's own two or three bytes; the first of the two jumps follows them. */
function loopSize(instruction: Instruction): u32 {
  return (instruction.prefixes & PREFIX_ADDRESS_SIZE) != 0 ? 3 : 2;
}

/** Offset in the relocated bytes after which the instruction is done. */
export function doneOffset(instruction: Instruction): u32 {
  if (instruction.flow == FLOW_LOOP) return loopSize(instruction);
  return relocatedSize(instruction) - tailSize(instruction);
}

/**
 * Writes the instruction as it must be at `to`, without the jump back.
 * @param original its bytes
 * @param address where it is in the program
 * @returns its size, or 0 when it cannot be moved there
 */
export function relocate(
  instruction: Instruction,
  original: usize,
  address: Address,
  pointer: usize,
  to: Address,
): u32 {
  const size = relocatedSize(instruction);
  if (size == 0) return 0;
  const next = address + (instruction.length as u64);
  const end = to + (size as u64);
  const flow = instruction.flow;

  if (flow == FLOW_JUMP_RELATIVE) {
    return emitJump(pointer, to, placeOf(instruction, original, address)) ? size : 0;
  }
  if (flow == FLOW_JUMP_CONDITIONAL) {
    // 0f 8x <rel32>      jcc    target
    store<u8>(pointer, 0x0f);
    store<u8>(pointer, 0x80 | (instruction.opcode & 15), 1);
    return emitRel32(pointer + 2, end, placeOf(instruction, original, address)) ? size : 0;
  }
  if (flow == FLOW_LOOP) {
    const done = loopSize(instruction);
    if (done == 3) store<u8>(pointer, 0x67);
    store<u8>(pointer + done - 2, instruction.opcode);
    store<u8>(pointer + done - 1, JUMP_SIZE as u8);
    const falls = emitJump(pointer + done, to + (done as u64), next);
    const jumps = emitJump(
      pointer + done + JUMP_SIZE,
      to + ((done + JUMP_SIZE) as u64),
      placeOf(instruction, original, address),
    );
    return falls && jumps ? size : 0;
  }
  if (flow == FLOW_XBEGIN) {
    // c7 f8 <rel32>      xbegin abort
    store<u16>(pointer, 0xf8c7);
    return emitRel32(pointer + 2, end, placeOf(instruction, original, address)) ? size : 0;
  }
  memory.copy(pointer, original, instruction.length);
  if (tailSize(instruction) != 0) store<u8>(pointer + instruction.length, NOP);
  if (instruction.ripRelative == 0) return size;
  return emitRel32(pointer + instruction.dispOffset, end, placeOf(instruction, original, address)) ? size : 0;
}
