// Machine code that compiled functions call and that is written by hand: system calls, copies, cpuid. Arguments come in
// the registers that the instruction at the core wants; everything but the callee-saved registers and r15 may be lost.

import {
  Assembler,
  al,
  eax,
  ebx,
  ecx,
  edx,
  esi,
  mem,
  r15,
  r8,
  r9,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  register,
  rip64,
  rsi,
} from "./assembler.js";

/** Below this size a loop of eight bytes beats the start of `rep movsb` (about 30 cycles with FSRM). */
const REP_MIN = 128;

/** A constant that a module exports: where in linear memory the address is that its system calls are made from, or 0. */
export const SITE_SYMBOL = "engineSite";

/**
 * Jumps to the `syscall` at the address that SITE_SYMBOL holds, if there is one; rcx and r11 are lost, as after a `syscall`.
 * src/engine/seccomp/site.ts says why.
 */
export function jumpToSite(a: Assembler): void {
  const here = a.label();
  a.mov(rcx, rip64(SITE_SYMBOL));
  a.jrcxz(here);
  a.jmp(rcx);
  a.bind(here);
}

/** @param hasSite whether the module has a SITE_SYMBOL */
export function emitRoutines(a: Assembler, hasSite: boolean): void {
  // The system calls of compiled code: rax, rdi, rsi, rdx, r10, r8, r9 as the kernel wants them.
  a.global("engineSyscall");
  if (hasSite) jumpToSite(a);
  a.mark("engineSyscallInstruction");
  a.syscall();
  a.ret();
  a.align(16);
  a.global("engineProgramSyscall");
  a.syscall();
  a.ret();

  // rdi: where a `ret` is that a debugger waits at.
  a.align(16);
  a.global("engineDebuggerEvent");
  a.jmp(rdi);

  // rdx: the entry of a hook's export, rdi: its argument. Gives its result in eax.
  a.align(16);
  a.global("engineCallHook");
  a.jmp(rdx);

  // rdi leaf, rsi subleaf, rdx pointer to four u32.
  a.align(16);
  a.global("engineCpuid");
  a.push(rbx);
  a.mov(r8, rdx);
  a.mov(eax, register(rdi.number, 32));
  a.mov(ecx, esi);
  a.cpuid();
  a.mov(mem({ base: r15, index: r8 }), eax);
  a.mov(mem({ base: r15, index: r8, disp: 4 }), ebx);
  a.mov(mem({ base: r15, index: r8, disp: 8 }), ecx);
  a.mov(mem({ base: r15, index: r8, disp: 12 }), edx);
  a.pop(rbx);
  a.ret();

  // rdi to, rsi from, rcx size; one of the two is an engine pointer. Gives what was not copied in rax. The engine's
  // SIGSEGV handler goes on at tryCopyFault when it finds rip at tryCopyInstruction: rcx is then what is left.
  a.align(16);
  a.global("engineTryCopyIn");
  a.add(rdi, r15);
  a.jmp("tryCopy");
  a.global("engineTryCopyOut");
  a.add(rsi, r15);
  a.global("tryCopy");
  a.mark("tryCopyInstruction");
  a.rep().movsb();
  a.mark("tryCopyFault");
  a.mov(rax, rcx);
  a.ret();

  emitCopy(a);
  emitFill(a);
}

/** memmove: rdi to, rsi from, rcx size. Up to 32 bytes everything is read before anything is written. */
function emitCopy(a: Assembler): void {
  a.align(16);
  a.global("engineCopyIn");
  a.add(rdi, r15);
  a.jmp("engineCopy");
  a.global("engineCopyOut");
  a.add(rsi, r15);
  a.jmp("engineCopy");
  a.global("engineMemoryCopy");
  a.add(rdi, r15);
  a.add(rsi, r15);
  a.global("engineCopy");
  const [below8, below4, none, over16, over32] = [a.label(), a.label(), a.label(), a.label(), a.label()];
  const [backward, words, tail, done] = [a.label(), a.label(), a.label(), a.label()];
  a.cmp(rcx, 8);
  a.jcc("b", below8);
  a.cmp(rcx, 16);
  a.jcc("a", over16);
  // 8 to 16: the first eight and the last eight.
  a.mov(rax, mem({ base: rsi }));
  a.mov(rdx, mem({ base: rsi, index: rcx, disp: -8 }));
  a.mov(mem({ base: rdi }), rax);
  a.mov(mem({ base: rdi, index: rcx, disp: -8 }), rdx);
  a.ret();
  a.bind(below8);
  a.cmp(rcx, 4);
  a.jcc("b", below4);
  a.mov(eax, mem({ base: rsi }));
  a.mov(edx, mem({ base: rsi, index: rcx, disp: -4 }));
  a.mov(mem({ base: rdi }), eax);
  a.mov(mem({ base: rdi, index: rcx, disp: -4 }), edx);
  a.ret();
  a.bind(below4);
  a.test(rcx, rcx);
  a.jcc("e", none);
  // 1 to 3: first, last, and middle byte.
  a.movzx(eax, mem({ base: rsi, size: 8 }));
  a.movzx(edx, mem({ base: rsi, index: rcx, disp: -1, size: 8 }));
  a.mov(r8, rcx);
  a.shr(r8, 1);
  a.movzx(register(r9.number, 32), mem({ base: rsi, index: r8, size: 8 }));
  a.mov(mem({ base: rdi, index: r8 }), register(r9.number, 8));
  a.mov(mem({ base: rdi }), al);
  a.mov(mem({ base: rdi, index: rcx, disp: -1 }), register(rdx.number, 8));
  a.bind(none);
  a.ret();
  a.bind(over16);
  a.cmp(rcx, 32);
  a.jcc("a", over32);
  a.mov(rax, mem({ base: rsi }));
  a.mov(rdx, mem({ base: rsi, disp: 8 }));
  a.mov(r8, mem({ base: rsi, index: rcx, disp: -16 }));
  a.mov(r9, mem({ base: rsi, index: rcx, disp: -8 }));
  a.mov(mem({ base: rdi }), rax);
  a.mov(mem({ base: rdi, disp: 8 }), rdx);
  a.mov(mem({ base: rdi, index: rcx, disp: -16 }), r8);
  a.mov(mem({ base: rdi, index: rcx, disp: -8 }), r9);
  a.ret();

  a.bind(over32);
  a.mov(rax, rdi);
  a.sub(rax, rsi);
  a.cmp(rax, rcx);
  a.jcc("b", backward); // from < to < from + size
  a.cmp(rcx, REP_MIN);
  const repeat = a.label();
  a.jcc("ae", repeat);
  // Forward by eight; the last eight bytes were read before the loop could overwrite them.
  a.mov(r8, mem({ base: rsi, index: rcx, disp: -8 }));
  a.lea(r9, mem({ base: rdi, index: rcx, disp: -8 }));
  a.bind(words);
  a.mov(rax, mem({ base: rsi }));
  a.mov(mem({ base: rdi }), rax);
  a.add(rsi, 8);
  a.add(rdi, 8);
  a.cmp(rdi, r9);
  a.jcc("b", words);
  a.mov(mem({ base: r9 }), r8);
  a.ret();
  a.bind(repeat);
  a.rep().movsb();
  a.ret();

  // Backward by eight, from the end; the first eight bytes last.
  a.bind(backward);
  a.mov(r8, mem({ base: rsi }));
  a.bind(tail);
  a.cmp(rcx, 8);
  a.jcc("be", done);
  a.mov(rax, mem({ base: rsi, index: rcx, disp: -8 }));
  a.mov(mem({ base: rdi, index: rcx, disp: -8 }), rax);
  a.sub(rcx, 8);
  a.jmp(tail);
  a.bind(done);
  a.mov(mem({ base: rdi }), r8);
  a.ret();
}

/** memset: rdi engine pointer, al value, rcx size. */
function emitFill(a: Assembler): void {
  a.align(16);
  a.global("engineMemoryFill");
  a.add(rdi, r15);
  const bytes = a.label();
  const repeat = a.label();
  const words = a.label();
  a.cmp(rcx, 8);
  a.jcc("b", bytes);
  a.cmp(rcx, REP_MIN);
  a.jcc("ae", repeat);
  a.movzx(eax, al);
  a.mov(rdx, 0x0101010101010101n);
  a.imul(rax, rdx);
  a.lea(r9, mem({ base: rdi, index: rcx, disp: -8 }));
  a.bind(words);
  a.mov(mem({ base: rdi }), rax);
  a.add(rdi, 8);
  a.cmp(rdi, r9);
  a.jcc("b", words);
  a.mov(mem({ base: r9 }), rax);
  a.ret();
  a.bind(bytes);
  a.bind(repeat);
  a.rep().stosb();
  a.ret();
}
