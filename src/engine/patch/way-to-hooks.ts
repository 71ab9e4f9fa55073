// The way from the trampoline of an instruction (patch/instruction-trampoline.ts) to hooks that are called by way of a gate, in
// front of the instruction or behind it, and the descriptor that says to the gate which ones:
//
//    0  65 48 89 0c 25 <disp32>   mov    %rcx,%gs:SAVED_RCX      f4 (hlt) in front when gs base is the program's: the
//    9  65 4c 89 1c 25 <disp32>   mov    %r11,%gs:SAVED_R11      signal gate then calls the hooks
//   18  48 8d 0d 05 00 00 00      lea    30(%rip),%rcx           the descriptor
//   25  e9 <rel32>                jmp    island                  -> gateInstruction
//   30  <rel32>                   site - 30
//   34  <u8> <u8> <u8> 00         hooks, one bit each; bytes of the site; PUSHED, BEHIND
//   38                            where the thread goes on: the instruction, or the jump back
//
// A thread on the way to hooks in front of an instruction has not begun it, and is at its site for signals and faults. Behind an
// instruction it cannot go back: its signal gate calls the hooks, and the thread is at the next instruction.

import { BLOCK_SAVED_R11, BLOCK_SAVED_RCX } from "../../abi/thread-block";
import { Address, peek8 } from "../process";
import { programOwnsGs } from "../thread/gs-base";
import { siteOfDescriptor } from "../thread/trampoline";
import { ENTERED_BY_CALL, Record } from "./record";
import { emitJump } from "./relocate";

/** Its size in bytes. */
export const WAY_SIZE: u32 = 38;
/** Where both registers are saved. */
export const AFTER_SAVES: u32 = 18;
/** Where the descriptor is. */
export const DESCRIPTOR: u64 = 30;
/** `f4`: faults in user mode. */
export const HALT: u8 = 0xf4;

/** The trampoline is entered by a call: rsp is 8 bytes under the program's. */
const PUSHED: u32 = 1;
/** The instruction is done. */
export const BEHIND: u32 = 2;

/**
 * Writes it at `pointer`, which will be at `at` in the process.
 * @param hooks bit n for hook n
 * @param flags BEHIND, or 0
 * @param island process address of the jump to the gate
 */
export function emitWayToHooks(
  pointer: usize,
  at: Address,
  record: Record,
  hooks: u32,
  flags: u32,
  island: Address,
): void {
  store<u32>(pointer, 0x0c894865); // mov %rcx,%gs:disp32
  store<u8>(pointer, 0x25, 4);
  store<u32>(pointer, BLOCK_SAVED_RCX, 5);
  store<u32>(pointer, 0x1c894c65, 9); // mov %r11,%gs:disp32
  store<u8>(pointer, 0x25, 13);
  store<u32>(pointer, BLOCK_SAVED_R11, 14);
  if (programOwnsGs) store<u8>(pointer, HALT);
  store<u32>(pointer, 0x050d8d48, 18); // lea 30(%rip),%rcx
  store<u32>(pointer, 0, 22);
  const reached = emitJump(pointer + 25, at + 25, island);
  assert(reached, "a trampoline is out of reach of its island");
  store<u32>(pointer, (record.original - (at + DESCRIPTOR)) as u32, 30);
  store<u8>(pointer, hooks as u8, 34);
  store<u8>(pointer, record.length, 35);
  store<u8>(pointer, (flags | (record.entry == ENTERED_BY_CALL ? PUSHED : 0)) as u8, 36);
  store<u8>(pointer, 0, 37);
}

/** The hooks of a descriptor: bit n for hook n. */
export function hooksOfDescriptor(descriptor: Address): u32 {
  return peek8(descriptor + 4);
}
/** The program's next instruction behind the site, in sequence. */
export function nextOfDescriptor(descriptor: Address): Address {
  return siteOfDescriptor(descriptor) + (peek8(descriptor + 5) as u64);
}
/** How far rsp is under the program's, in bytes. */
export function pushedAtDescriptor(descriptor: Address): u64 {
  return (peek8(descriptor + 6) & PUSHED) != 0 ? 8 : 0;
}
/** Whether the instruction is done when these hooks are called. */
export function isBehindInstruction(descriptor: Address): bool {
  return (peek8(descriptor + 6) & BEHIND) != 0;
}
/** Where in the trampoline the thread goes on: at the instruction itself, or behind it. */
export function bodyOfDescriptor(descriptor: Address): Address {
  return descriptor + 8;
}
