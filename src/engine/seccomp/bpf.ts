// Classic BPF as seccomp has it: what a filter says of a call, without asking the kernel.
//
// The kernel has checked every program that is run here: jumps go forward and stay inside, scratch words are written
// before they are read, the last instruction returns (bpf_check_classic in net/core/filter.c, seccomp_check_filter in
// kernel/seccomp.c). A and X start as 0. Encodings: include/uapi/linux/bpf_common.h.
//
//   struct sock_filter     offset       struct seccomp_data      offset
//     u16 code                0           int nr                    0
//     u8 jt, jf               2, 3        u32 arch                  4
//     u32 k                   4           u64 instruction_pointer   8
//                                         u64 args[6]              16

import { Address, peek32, poke16, poke32, poke8 } from "../process";

export const INSTRUCTION_SIZE: u64 = 8;
export const DATA_SIZE: usize = 64;
/** The scratch words M[0..15] lie behind the data. */
const SCRATCH_WORDS: u32 = 16;

export const DATA_NUMBER: usize = 0;
export const DATA_ARCHITECTURE: usize = 4;
export const DATA_INSTRUCTION_POINTER: usize = 8;
export const DATA_ARGUMENTS: usize = 16;

const CLASS_LD: u32 = 0;
const CLASS_LDX: u32 = 1;
const CLASS_ST: u32 = 2;
const CLASS_STX: u32 = 3;
const CLASS_ALU: u32 = 4;
const CLASS_JMP: u32 = 5;
const CLASS_RET: u32 = 6;

const MODE_IMM: u32 = 0x00;
const MODE_ABS: u32 = 0x20;
const MODE_MEM: u32 = 0x60;

const SOURCE_X: u32 = 0x08;
const RETURN_A: u32 = 0x10;
const TXA: u32 = 0x80;

export const LD_ABS: u32 = 0x20; // BPF_LD | BPF_W | BPF_ABS
export const LD_IMM: u32 = 0x00; // BPF_LD | BPF_IMM
export const ALU_AND: u32 = 0x54; // BPF_ALU | BPF_AND | BPF_K
export const JMP_JA: u32 = 0x05;
export const JMP_JEQ: u32 = 0x15;
export const JMP_JGT: u32 = 0x25;
export const JMP_JSET: u32 = 0x45;
export const RET_K: u32 = 0x06;

function arithmetic(operation: u32, a: u32, operand: u32): u32 {
  switch (operation) {
    case 0x00:
      return a + operand;
    case 0x10:
      return a - operand;
    case 0x20:
      return a * operand;
    case 0x30:
      return a / operand;
    case 0x40:
      return a | operand;
    case 0x50:
      return a & operand;
    case 0x60:
      return a << operand; // by the low five bits, as a register's shift
    case 0x70:
      return a >> operand;
    case 0x80:
      return -(a as i32) as u32;
    default:
      assert(operation == 0xa0, "a filter has an operation that the kernel does not take");
      return a ^ operand;
  }
}

function jumps(operation: u32, a: u32, operand: u32): bool {
  if (operation == 0x10) return a == operand;
  if (operation == 0x20) return a > operand;
  if (operation == 0x30) return a >= operand;
  return (a & operand) != 0;
}

/**
 * Runs a program of the process.
 * @param data struct seccomp_data, with room for the scratch words behind it
 * @returns the SECCOMP_RET value
 */
export function runFilter(program: Address, data: usize): u32 {
  let a: u32 = 0;
  let x: u32 = 0;
  let at = program;
  while (true) {
    const head = peek32(at);
    const k = peek32(at + 4);
    at += INSTRUCTION_SIZE;
    const code = head & 0xffff;
    const kind = code & 7;
    const mode = code & 0xe0;
    if (kind == CLASS_JMP) {
      const operation = code & 0xf0;
      if (operation == 0) at += (k as u64) << 3;
      else if (jumps(operation, a, code & SOURCE_X ? x : k)) at += (((head >> 16) & 0xff) as u64) << 3;
      else at += ((head >> 24) as u64) << 3;
    } else if (kind == CLASS_LD) {
      if (mode == MODE_ABS) a = load<u32>(data + k);
      else if (mode == MODE_IMM) a = k;
      else if (mode == MODE_MEM) a = load<u32>(data + DATA_SIZE + (k << 2));
      else a = DATA_SIZE as u32; // BPF_LEN
    } else if (kind == CLASS_RET) {
      return code & RETURN_A ? a : k;
    } else if (kind == CLASS_ALU) {
      const operand = code & SOURCE_X ? x : k;
      // A division by X = 0 ends the program with 0: bpf_convert_filter in net/core/filter.c.
      if ((code & 0xf0) == 0x30 && operand == 0) return 0;
      a = arithmetic(code & 0xf0, a, operand);
    } else if (kind == CLASS_LDX) {
      if (mode == MODE_IMM) x = k;
      else if (mode == MODE_MEM) x = load<u32>(data + DATA_SIZE + (k << 2));
      else x = DATA_SIZE as u32;
    } else if (kind == CLASS_ST) {
      store<u32>(data + DATA_SIZE + (k << 2), a);
    } else if (kind == CLASS_STX) {
      store<u32>(data + DATA_SIZE + (k << 2), x);
    } else if ((code & 0xf8) == TXA) {
      a = x;
    } else {
      x = a;
    }
  }
}

/** Instructions that a filter may have: seccomp_check_filter. BPF_DIV and shifts by a constant have rules of their own. */
function isKnown(code: u32, k: u32): bool {
  const kind = code & 7;
  const operation = code & 0xf0;
  if (code > 0xff) return false;
  if (kind == CLASS_LD) {
    if (code == LD_ABS) return k < (DATA_SIZE as u32) && (k & 3) == 0;
    return code == LD_IMM || code == 0x80 || (code == 0x60 && k < SCRATCH_WORDS);
  }
  if (kind == CLASS_LDX) return code == 0x01 || code == 0x81 || (code == 0x61 && k < SCRATCH_WORDS);
  if (kind == CLASS_ST || kind == CLASS_STX) return (code == 0x02 || code == 0x03) && k < SCRATCH_WORDS;
  if (kind == CLASS_ALU) return operation <= 0x80 || operation == 0xa0;
  if (kind == CLASS_JMP) return operation <= 0x40;
  if (kind == CLASS_RET) return code == RET_K || code == 0x16;
  return code == 0x07 || code == 0x87;
}

/** Whether a program that no kernel has checked can be run: every jump stays inside, every path returns. */
export function isSound(program: Address, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    const at = program + (i as u64) * INSTRUCTION_SIZE;
    const head = peek32(at);
    const code = head & 0xffff;
    const k = peek32(at + 4);
    if (!isKnown(code, k)) return false;
    const left = length - i - 1;
    if ((code & 7) != CLASS_JMP) continue;
    if (code == JMP_JA) {
      if (k >= left) return false;
    } else if (((head >> 16) & 0xff) >= left || head >> 24 >= left) return false;
  }
  return (peek32(program + ((length - 1) as u64) * INSTRUCTION_SIZE) & 7) == CLASS_RET;
}

let start: Address = 0;
let next: u32 = 0;

/** Programs are written here: one at a time, under the engine lock. */
export function beginProgram(at: Address): void {
  start = at;
  next = 0;
}

/** The number of the instruction that is put next. */
export function nextInstruction(): u32 {
  return next;
}

/** Appends an instruction; a jump's targets are numbers of instructions. */
export function put(code: u32, k: u32, ifTrue: u32 = 0, ifFalse: u32 = 0): void {
  const at = start + (next as u64) * INSTRUCTION_SIZE;
  next += 1;
  poke16(at, code);
  poke8(at + 2, ifTrue == 0 ? 0 : ifTrue - next);
  poke8(at + 3, ifFalse == 0 ? 0 : ifFalse - next);
  poke32(at + 4, k);
}
