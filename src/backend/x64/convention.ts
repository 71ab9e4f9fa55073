// Who owns which register in compiled code. The convention is the engine's own; only the entry `engine.F` of an exported
// function speaks the System V AMD64 one (compile.ts).
//
//   r15                      linear memory's byte 0, while engine code runs
//   rsp                      engine stack; any alignment, since nothing here touches vectors
//   rbx rbp r12 r13 r14      homes of locals; a function gives them back as it got them
//   rdi rsi r8 r9            homes of locals that are not live across a call; else operands
//   rax rdx rcx r10 r11      operands: lost across a call
//
// Arguments: the first six in rdi, rsi, r8, r9, rdx, rcx (the first four are where a local wants to live anyway), the
// rest on the stack, leftmost lowest. Results: the first in rax, the others on the stack above the stack arguments.
// An i32 in a register or in a stack slot is zero-extended to 64 bits, always: so it can be an index, and
// i64.extend_i32_u costs nothing.

import { r10, r11, r12, r13, r14, r15, r8, r9, rax, rbp, rbx, rcx, rdi, rdx, rsi } from "./registers.js";

export const memoryBase = r15;
export const calleeSaved = [rbx, rbp, r12, r13, r14] as const;
export const callerSavedHomes = [rdi, rsi, r8, r9] as const;
export const operandRegisters = [rax, rdx, rcx, r10, r11] as const;
export const argumentRegisters = [rdi, rsi, r8, r9, rdx, rcx] as const;

export const isCalleeSaved = (number: number): boolean => calleeSaved.some((register) => register.number === number);
