// What stands in front of each filter of the program's: the few calls without which the engine cannot go on pass, if they
// come from the engine's site. Everything else meets the program's filter as it is.
//
// A program can jump to the site, so nothing here leads out of its own memory and signal handling: no path, no
// descriptor, no process, and no page that is writable and executable. Jump offsets of classic BPF are relative, so the
// program's filter just follows, with A and X as it expects them: 0. Scratch words are not touched.
//
// The kernel remembers for which numbers a filter allows a call whatever its arguments (seccomp_is_const_allow of
// kernel/seccomp.c), and does not run it then. It sees that only if nothing but number and architecture is loaded on the
// way, by the few kinds of instructions that it follows: so the number comes first here, and A becomes 0 by an `and`.
//
//   mmap            anonymous, not executable, over nothing that is there
//   mprotect        not writable and executable at once
//   munmap, rt_sigprocmask, rt_sigaction, rt_sigreturn, sigaltstack, gettid
//   futex           FUTEX_WAIT, FUTEX_WAKE, FUTEX_TRYLOCK_PI

import {
  SYS_FUTEX,
  SYS_GETTID,
  SYS_MMAP,
  SYS_MPROTECT,
  SYS_MUNMAP,
  SYS_RT_SIGACTION,
  SYS_RT_SIGPROCMASK,
  SYS_RT_SIGRETURN,
  SYS_SIGALTSTACK,
} from "../kernel/numbers";
import { Address } from "../process";
import {
  ALU_AND,
  DATA_ARCHITECTURE,
  DATA_ARGUMENTS,
  DATA_INSTRUCTION_POINTER,
  DATA_NUMBER,
  JMP_JEQ,
  JMP_JGT,
  JMP_JSET,
  LD_ABS,
  RET_K,
  beginProgram,
  nextInstruction,
  put,
} from "./bpf";

export const AUDIT_ARCH_X86_64: u32 = 0xc000003e;
export const RET_ALLOW: u32 = 0x7fff0000;

const MAP_ANONYMOUS: u32 = 0x20;
/** All but MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE, MAP_STACK, MAP_FIXED_NOREPLACE. */
const MAP_REFUSED: u32 = ~0x124023;
const PROT_READ_WRITE: u32 = 3;
const PROT_READ_EXECUTE: u32 = 5;
const FUTEX_WAKE: u32 = 1;
const FUTEX_TRYLOCK_PI: u32 = 8;
const FUTEX_PRIVATE: u32 = 128;

// Numbers of instructions.
const SITE: u32 = 12;
const MMAP: u32 = 20;
const MPROTECT: u32 = 25;
const FUTEX: u32 = 27;
const ALLOW: u32 = 31;
const OTHER: u32 = 32;
export const PREFIX_LENGTH: u32 = 33;

/** The low word of an argument. */
function argument(index: usize): u32 {
  return (DATA_ARGUMENTS + 8 * index) as u32;
}

/** Writes PREFIX_LENGTH instructions to the process; `instructionPointer` is that of calls from the site. */
export function writePrefix(at: Address, instructionPointer: Address): void {
  beginProgram(at);
  put(LD_ABS, DATA_ARCHITECTURE as u32);
  put(JMP_JEQ, AUDIT_ARCH_X86_64, 2, OTHER);
  put(LD_ABS, DATA_NUMBER as u32);
  put(JMP_JEQ, SYS_MMAP, SITE, 4);
  put(JMP_JEQ, SYS_MPROTECT, SITE, 5);
  put(JMP_JEQ, SYS_FUTEX, SITE, 6);
  put(JMP_JEQ, SYS_MUNMAP, SITE, 7);
  put(JMP_JEQ, SYS_RT_SIGPROCMASK, SITE, 8);
  put(JMP_JEQ, SYS_RT_SIGACTION, SITE, 9);
  put(JMP_JEQ, SYS_RT_SIGRETURN, SITE, 10);
  put(JMP_JEQ, SYS_SIGALTSTACK, SITE, 11);
  put(JMP_JEQ, SYS_GETTID, SITE, OTHER);
  assert(nextInstruction() == SITE, "the prefix: site");
  put(LD_ABS, DATA_INSTRUCTION_POINTER as u32);
  put(JMP_JEQ, instructionPointer as u32, 14, OTHER);
  put(LD_ABS, (DATA_INSTRUCTION_POINTER as u32) + 4);
  put(JMP_JEQ, (instructionPointer >> 32) as u32, 16, OTHER);
  put(LD_ABS, DATA_NUMBER as u32);
  put(JMP_JEQ, SYS_MMAP, MMAP, 18);
  put(JMP_JEQ, SYS_MPROTECT, MPROTECT, 19);
  put(JMP_JEQ, SYS_FUTEX, FUTEX, ALLOW);
  assert(nextInstruction() == MMAP, "the prefix: mmap");
  put(LD_ABS, argument(3));
  put(JMP_JSET, MAP_REFUSED, OTHER, MMAP + 2);
  put(JMP_JSET, MAP_ANONYMOUS, MMAP + 3, OTHER);
  put(LD_ABS, argument(2));
  put(JMP_JGT, PROT_READ_WRITE, OTHER, ALLOW);
  assert(nextInstruction() == MPROTECT, "the prefix: mprotect");
  put(LD_ABS, argument(2));
  put(JMP_JGT, PROT_READ_EXECUTE, OTHER, ALLOW);
  assert(nextInstruction() == FUTEX, "the prefix: futex");
  put(LD_ABS, argument(1));
  put(ALU_AND, ~FUTEX_PRIVATE);
  put(JMP_JEQ, FUTEX_TRYLOCK_PI, ALLOW, FUTEX + 3);
  put(JMP_JGT, FUTEX_WAKE, OTHER, ALLOW);
  assert(nextInstruction() == ALLOW, "the prefix: allow");
  put(RET_K, RET_ALLOW);
  put(ALU_AND, 0);
  assert(nextInstruction() == PREFIX_LENGTH, "the prefix");
}
