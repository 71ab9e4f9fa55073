// The trampoline of a `syscall` site: what the kernel does natively at the site is done here, for calls that pass
// through with nothing but jumps around them, for the others by the gate.
//
//    0  65 48 89 0c 25 <disp32>   mov    %rcx,%gs:SAVED_RCX      so that a roll-back can show the program's rcx and r11
//    9  65 4c 89 1c 25 <disp32>   mov    %r11,%gs:SAVED_R11
//   18  0f b7 c8                  movzwl %ax,%ecx                no compare: RFLAGS are the program's (I1)
//   21  4c 8d 1d <rel32>          lea    dispatch(%rip),%r11
//   28  41 0f b6 0c 0b            movzbl (%r11,%rcx),%ecx
//   33  e3 0c                     jrcxz  47
//   35  48 8d 0d <rel32>          lea    61(%rip),%rcx           the descriptor
//   42  e9 <rel32>                jmp    island                  -> gateSyscall
//   47  0f 05                     syscall
//   49  48 8d 0d <rel32>          lea    after(%rip),%rcx        as the kernel leaves it
//   56  e9 <rel32>                jmp    after                   or where the evicted instruction after the site is
//   61  <rel32>                   site - 61
//
// When gs base is the program's, `eb 10` (jmp 18) stands at the start: patch/yield-gs.ts. The program's rcx and r11 are then
// lost from there on. A roll-back shows them as the kernel does when it rewinds a call to restart it: rcx after the site,
// r11 the flags. The site is made again, and destroys them anyway.
//
// A call number of which only the low 16 bits are those of a virtualised call reaches the gate too; the engine looks at
// the whole rax and lets the kernel answer.

import {
  TRAMPOLINE_AFTER_SAVES,
  TRAMPOLINE_DESCRIPTOR,
  TRAMPOLINE_SIZE,
  TRAMPOLINE_SYSCALL,
} from "../../abi/syscall-trampoline";
import { BLOCK_SAVED_R11, BLOCK_SAVED_RCX } from "../../abi/thread-block";
import { Address, peek32 } from "../process";
import { ThreadBlock } from "./block";
import { programOwnsGs } from "./gs-base";
import { Context, FLAG_RESUME } from "./signal-frame";

/** `0f 05`. */
export const SYSCALL_SIZE: u64 = 2;

export const SYSCALL_TRAMPOLINE_SIZE: u32 = TRAMPOLINE_SIZE;
export const AFTER_SAVES: u64 = TRAMPOLINE_AFTER_SAVES;
export const SYSCALL: u64 = TRAMPOLINE_SYSCALL;
/** `eb 10`, little-endian: to AFTER_SAVES. */
export const SKIP_SAVES: u16 = 0x10eb;
const DESCRIPTOR: u64 = TRAMPOLINE_DESCRIPTOR;

function rel32(from: u64, to: u64): u32 {
  const distance = (to - from) as i64;
  assert(distance == (distance as i32 as i64), "a trampoline is out of reach of what it jumps to");
  return distance as u32;
}

/**
 * Writes the trampoline of a site.
 * @param pointer where its bytes go
 * @param trampoline where it will be in the process
 * @param dispatch process address of the 64 KiB table: 0 for a call that passes through
 * @param island process address of the jump to the gate
 * @param resume where control goes on: after the site, or the trampoline of the instruction that was evicted there
 */
export function emitSyscallTrampoline(
  pointer: usize,
  trampoline: Address,
  site: Address,
  dispatch: Address,
  island: Address,
  resume: Address,
): void {
  const after = site + SYSCALL_SIZE;
  store<u32>(pointer, 0x0c894865); // mov %rcx,%gs:disp32
  store<u8>(pointer, 0x25, 4);
  store<u32>(pointer, BLOCK_SAVED_RCX, 5);
  store<u32>(pointer, 0x1c894c65, 9); // mov %r11,%gs:disp32
  store<u8>(pointer, 0x25, 13);
  store<u32>(pointer, BLOCK_SAVED_R11, 14);
  if (programOwnsGs) store<u16>(pointer, SKIP_SAVES);
  store<u16>(pointer, 0xb70f, 18); // movzwl %ax,%ecx
  store<u8>(pointer, 0xc8, 20);
  store<u16>(pointer, 0x8d4c, 21); // lea dispatch(%rip),%r11
  store<u8>(pointer, 0x1d, 23);
  store<u32>(pointer, rel32(trampoline + 28, dispatch), 24);
  store<u32>(pointer, 0x0cb60f41, 28); // movzbl (%r11,%rcx),%ecx
  store<u8>(pointer, 0x0b, 32);
  store<u16>(pointer, 0x0ce3, 33); // jrcxz
  store<u16>(pointer, 0x8d48, 35); // lea descriptor(%rip),%rcx
  store<u8>(pointer, 0x0d, 37);
  store<u32>(pointer, (DESCRIPTOR - 42) as u32, 38);
  store<u8>(pointer, 0xe9, 42); // jmp island
  store<u32>(pointer, rel32(trampoline + 47, island), 43);
  store<u16>(pointer, 0x050f, 47); // syscall
  store<u16>(pointer, 0x8d48, 49); // lea after(%rip),%rcx
  store<u8>(pointer, 0x0d, 51);
  store<u32>(pointer, rel32(trampoline + 56, after), 52);
  store<u8>(pointer, 0xe9, 56); // jmp after
  store<u32>(pointer, rel32(trampoline + 61, resume), 57);
  store<u32>(pointer, (site - (trampoline + DESCRIPTOR)) as u32, 61);
}

/** The site that a descriptor, which the gate gets in rcx, belongs to. */
export function siteOfDescriptor(descriptor: Address): Address {
  return descriptor + (peek32(descriptor) as i32 as i64 as u64);
}

/** The call has not begun: the state before the site. */
export function rollBack(thread: ThreadBlock, context: Context, site: Address): void {
  context.rip = site;
  context.rcx = programOwnsGs ? site + SYSCALL_SIZE : thread.savedRcx;
  context.r11 = programOwnsGs ? context.flags & ~FLAG_RESUME : thread.savedR11;
}

/** The `syscall` of the trampoline that a descriptor belongs to. */
export function syscallOfDescriptor(descriptor: Address): Address {
  return descriptor - (DESCRIPTOR - SYSCALL);
}

/** Where the program goes on, if a thread is between a trampoline's `syscall` and its last jump; else 0. */
export function resumesAfter(trampoline: Address, rip: Address): Address {
  if (rip - trampoline <= SYSCALL) return 0;
  return siteOfDescriptor(trampoline + DESCRIPTOR) + SYSCALL_SIZE;
}

/** Turns a context inside a site's trampoline into the program's state. */
export function syscallTrampolineState(thread: ThreadBlock, context: Context, trampoline: Address): void {
  const site = siteOfDescriptor(trampoline + DESCRIPTOR);
  const offset = context.rip - trampoline;
  assert(offset < DESCRIPTOR, "interrupted inside a trampoline's descriptor");
  if (offset < AFTER_SAVES) {
    context.rip = site;
  } else if (offset < SYSCALL) {
    rollBack(thread, context, site);
  } else if (offset == SYSCALL) {
    stateBeforeSyscall(thread, context, trampoline + SYSCALL, site);
  } else {
    context.rip = site + SYSCALL_SIZE;
    context.rcx = context.rip;
  }
}

/**
 * Interrupted with rip at a `syscall` of the engine's that stands for the program's. It has left its own return address
 * in rcx if the kernel rewound it for a restart; else it has not begun.
 */
export function stateBeforeSyscall(thread: ThreadBlock, context: Context, instruction: Address, site: Address): void {
  if (context.rcx != instruction + SYSCALL_SIZE) {
    rollBack(thread, context, site);
    return;
  }
  context.rip = site;
  context.rcx = site + SYSCALL_SIZE;
}
