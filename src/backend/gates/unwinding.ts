// How a debugger gets from a gate to the program: the unwind rules of each stretch of index.ts.
//
// A gate is a frame between the engine's and the program's. Its caller is the program at the instruction after the site,
// as if the site were a call: debuggers look up a caller's rules one byte earlier, which is inside the site, and the
// rules at a `syscall` are those behind it. While a frame is on the engine stack the program's registers are in it; the
// thread block lies at the stack's top, right behind the frame.
//
// Not handled: the stretches where only gs base leads to the block (the native gate). DWARF has a number for gs base,
// gdb does not know it: there the rules end the backtrace, and src/debugger/flicker-gdb.py goes on.

import {
  BLOCK_AFTER,
  BLOCK_SAVED_R14,
  BLOCK_SAVED_R15,
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
  FRAME_SIZE,
} from "../../abi/thread-block.js";
import { DWARF_RIP, DWARF_RSP, dwarfRegister, operation, rule } from "../elf/call-frames.js";
import { r10, r11, r12, r13, r14, r15, r8, r9, rax, rbp, rbx, rcx, rdi, rdx, rsi, rsp } from "../x64/registers.js";
import type { Register } from "../x64/registers.js";

type Rules = readonly number[];

const dwarf = (register: Register): number => dwarfRegister(register.number);
const at = (register: Register, offset: number): number[] => operation.register(dwarf(register), offset);
const load = (register: Register, offset: number): number[] => [...at(register, offset), ...operation.deref];

/** What a `syscall` destroys. */
const lost = [...rule.undefined(dwarf(rcx)), ...rule.undefined(dwarf(r11))];

/** Nobody called. */
export const outermost: Rules = rule.undefined(DWARF_RIP);

/** On the program's stack, with the site's descriptor in rcx: src/engine/thread/trampoline.ts. */
const fromDescriptor = rule.value(DWARF_RIP, [
  ...at(rcx, 0),
  ...operation.duplicate,
  ...operation.derefSigned32,
  ...operation.plus,
  ...operation.add(2),
]);
export const atDescriptor: Rules = [...rule.cfa(DWARF_RSP, 0), ...fromDescriptor, ...lost];

/** On the engine stack, whose top is in r11, with the program's rsp under it; registers still the program's. */
const underTop = [...rule.cfaExpression(load(r11, -8)), ...lost];
export const savingFrame: Rules = [...underTop, ...fromDescriptor];

/** r11 is the engine stack's top, which is the block, and rsp still the program's. */
const afterInBlock = (block: Register, offset: number): number[] =>
  rule.value(DWARF_RIP, load(block, offset + BLOCK_AFTER));
export const beforeSwitch: Rules = [...rule.cfa(DWARF_RSP, 0), ...afterInBlock(r11, 0), ...lost];
export const savingFrameAfter: Rules = [...underTop, ...afterInBlock(r11, 0)];

const SAVED: readonly (readonly [Register, number])[] = [
  ...([[rax, FRAME_RAX] as const, [rbx, FRAME_RBX] as const, [rcx, FRAME_RCX] as const] as const),
  ...([[rdx, FRAME_RDX] as const, [rsi, FRAME_RSI] as const, [rdi, FRAME_RDI] as const] as const),
  ...([[rbp, FRAME_RBP] as const, [r8, FRAME_R8] as const, [r9, FRAME_R9] as const] as const),
  ...([[r10, FRAME_R10] as const, [r11, FRAME_R11] as const, [r12, FRAME_R12] as const] as const),
  ...([[r13, FRAME_R13] as const, [r14, FRAME_R14] as const, [r15, FRAME_R15] as const] as const),
];

/** rsp is `depth` bytes below the gate's frame (src/abi/thread-block.ts). */
const inFrameBelow = (depth: number): Rules => [
  ...rule.cfaExpression(load(rsp, depth + FRAME_RSP)),
  ...afterInBlock(rsp, depth + FRAME_SIZE),
  ...SAVED.flatMap(([register, offset]) => rule.savedAt(dwarf(register), at(rsp, depth + offset))),
];

/** rsp is the gate's frame: all that the engine's functions run on. */
export const inFrame: Rules = inFrameBelow(0);

/** The way out has pushed the flags for `popfq`. */
export const inFrameUnderFlags: Rules = inFrameBelow(8);

/** The last jump out: rcx is where it goes. */
export const leaving: Rules = [...rule.cfa(DWARF_RSP, 0), ...rule.value(DWARF_RIP, at(rcx, 0))];

/** r15 is the block of the child, which has the site's successor and the program's r14 and r15 from its parent. */
export const inClone: Rules = [
  ...rule.cfa(DWARF_RSP, 0),
  ...afterInBlock(r15, 0),
  ...rule.savedAt(dwarf(r14), at(r15, BLOCK_SAVED_R14)),
  ...rule.savedAt(dwarf(r15), at(r15, BLOCK_SAVED_R15)),
  ...lost,
];

/** The kernel's frame for a signal begins at rsp: first the return address, `gateSignalRestorer`. */
export const inSignal: Rules = [...rule.cfa(DWARF_RSP, 8)];

/** uc_mcontext of struct ucontext, in the kernel's order: arch/x86/include/uapi/asm/sigcontext.h. */
const MACHINE_CONTEXT = 40;
const CONTEXT_ORDER = [r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx];
const CONTEXT_RSP = MACHINE_CONTEXT + 8 * CONTEXT_ORDER.length;
const CONTEXT_RIP = CONTEXT_RSP + 8;

/** rsp is the ucontext that rt_sigreturn is given, or was, for the restorer: what it interrupted is the caller. */
export const atSignalReturn: Rules = [
  ...rule.cfaExpression(load(rsp, CONTEXT_RSP)),
  ...CONTEXT_ORDER.flatMap((register, i) => rule.savedAt(dwarf(register), at(rsp, MACHINE_CONTEXT + 8 * i))),
  ...rule.savedAt(DWARF_RIP, at(rsp, CONTEXT_RIP)),
];
