// The gates: the only machine code written by hand, and the only ways in and out of the engine.
//
// A trampoline's slow path (src/engine/thread/trampoline.ts) arrives at `gateSyscall` with the program's stack pointer,
// which may point to the last bytes of a tiny stack, with a red zone under it: nothing is written there. RFLAGS are the
// program's until they are saved on the engine stack. On the way out everything is restored with `mov`, never `pop`, so
// that the frame stays readable: a signal that arrives on the way out takes the program's state from it
// (src/engine/thread/interrupted.ts, which knows each label here).
//
// Once on the engine's stack, a gate has the thread's block from rsp, which is a known distance below it; the signal gate
// has it from the alternate stack's address. Only the way in and the native gate need gs base.
//
// The engine's entry points give back what is to be done next, in eax: see src/engine/main.ts. How a debugger unwinds each
// stretch is in unwinding.ts.

import {
  ALTERNATE_STACK_OFFSET,
  BLOCK_ADDRESS,
  BLOCK_AFTER,
  BLOCK_DEAD,
  BLOCK_DEFERRED,
  BLOCK_OFFSET,
  BLOCK_RETURN_FRAME,
  BLOCK_SAVED_R11,
  BLOCK_SAVED_R14,
  BLOCK_SAVED_R15,
  BLOCK_SAVED_RCX,
  BLOCK_SELF,
  FRAME_FLAGS,
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
  FRAME_TARGET,
} from "../../abi/thread-block.js";
import {
  Assembler,
  al,
  ax,
  eax,
  edi,
  esi,
  mem,
  mem32,
  mem64,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  r8,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  type Label,
  type Memory,
  type Register,
} from "../x64/assembler.js";
import { jumpToSite } from "../x64/routines.js";
import * as unwinding from "./unwinding.js";

/** Where in struct ucontext the alternate stack's address is: uc_stack.ss_sp. */
const UC_STACK = 16;
/** `0f 05`. */
const SYSCALL_SIZE = 2;
const SYS_RT_SIGRETURN = 15;

/** AC of RFLAGS: a program that set it would have every unaligned access of the engine fault. */
const FLAG_ALIGNMENT_CHECK = 1 << 18;
/** TF of RFLAGS: a program that set it would have a SIGTRAP behind every instruction of the engine. */
const FLAG_TRAP = 1 << 8;
/** DF of RFLAGS: a program that set it would have the engine's `rep movsb` go backwards. */
const FLAG_DIRECTION = 1 << 10;
/** Flags that the engine cannot run with. The kernel leaves the first two alone on the way into a handler. */
const FLAGS_CLEARED = FLAG_ALIGNMENT_CHECK | FLAG_TRAP | FLAG_DIRECTION;
/** What `sahf` and an addition can restore: CF, PF, AF, ZF, SF and OF, beside IF and bit 1, which are always set. */
const FLAGS_OF_ARITHMETIC = 0xad7;
/** IF, and the bit that is always one: RFLAGS of a process that starts. */
const FLAGS_AT_START = 0x202;

const inBlock = (block: Register, disp: number): Memory => mem({ base: block, disp });
const inFrame = (disp: number): Memory => mem({ base: rsp, disp });
/** The block, where rsp is at the gate's frame: it lies right behind it. */
const behindFrame = (disp: number): Memory => inFrame(FRAME_SIZE + disp);
const behindFrame32 = (disp: number): Memory => mem32({ base: rsp, disp: FRAME_SIZE + disp });

/** Registers that the way out restores from the frame, with their places in it. */
const RESTORED: readonly (readonly [Register, number])[] = [
  [r15, FRAME_R15],
  [r14, FRAME_R14],
  [r13, FRAME_R13],
  [r12, FRAME_R12],
  [r10, FRAME_R10],
  [r9, FRAME_R9],
  [r8, FRAME_R8],
  [rbp, FRAME_RBP],
  [rdi, FRAME_RDI],
  [rsi, FRAME_RSI],
  [rdx, FRAME_RDX],
  [rbx, FRAME_RBX],
  [rax, FRAME_RAX],
  [r11, FRAME_R11],
];

/** What a debugger goes by from here on, up to the next such line or symbol. */
const unwindBy = (a: Assembler, rules: readonly number[], isSignal = false): void => {
  a.frames.stateRules(rules, isSignal);
};

/** From the program's stack to the engine's, whose top is in r11. */
function switchStack(a: Assembler, onEngineStack: readonly number[]): void {
  a.mov(mem({ base: r11, disp: -8 }), rsp);
  a.lea(rsp, mem({ base: r11, disp: -8 }));
  unwindBy(a, onEngineStack);
}

/** Builds the frame of src/abi/thread-block.ts under the saved rsp, and makes RFLAGS the engine's. */
function saveFrame(a: Assembler): void {
  a.pushfq();
  a.push(rcx); // FRAME_TARGET: the descriptor
  // The block is behind what has been pushed.
  a.push(mem64({ base: rsp, disp: FRAME_SIZE - FRAME_TARGET + BLOCK_SAVED_RCX }));
  a.push(mem64({ base: rsp, disp: FRAME_SIZE - FRAME_RCX + BLOCK_SAVED_R11 }));
  for (const register of [rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15]) a.push(register);
  const plain = a.label();
  a.test(mem32({ base: rsp, disp: FRAME_FLAGS }), FLAGS_CLEARED);
  a.jcc("e", plain);
  clearFlags(a);
  a.bind(plain);
}

function clearFlags(a: Assembler): void {
  a.pushfq();
  a.and(mem64({ base: rsp }), ~FLAGS_CLEARED);
  a.popfq();
}

/** Restores RFLAGS from the gate's frame where they are the usual ones; else goes to `others`. `popfq` takes 3 ns more. */
function restoreArithmeticFlags(a: Assembler, others: Label): void {
  a.mov(eax, mem32({ base: rsp, disp: FRAME_FLAGS }));
  a.test(eax, ~FLAGS_OF_ARITHMETIC);
  a.jcc("ne", others);
  // Bits 0 to 7 to ah; bits 8 to 15 to al, which are 2, or 10 with OF: only 10 + 0x78 overflows. `sahf` leaves OF.
  a.rol(ax, 8);
  a.add(al, 0x78);
  a.sahf();
}

/** @param inRcx where in the frame the value of rcx is: the way on, where a `syscall` has lost the program's */
function restoreRegisters(a: Assembler, inRcx = FRAME_TARGET): void {
  for (const [register, offset] of RESTORED) a.mov(register, inFrame(offset));
  a.mov(rcx, inFrame(inRcx));
}

/** Calls an entry point of the engine from the gate's frame: its argument is the engine pointer of the thread's block. */
function callWithBlock(a: Assembler, entry: string): void {
  a.mov(edi, behindFrame32(BLOCK_SELF));
  a.call(entry);
}

/** Emits every gate; the symbols are those of src/engine/gates.ts. */
export function emitGates(a: Assembler): void {
  const enterReturnFrame = a.label();
  const deferredAtExit = a.label();
  const deferredAtReturn = a.label();
  const threadExit = a.label();
  const leave = a.label();
  const restoreStack = a.label();
  const otherFlags = a.label();
  const onSyscall = a.label();

  // ---- start of the process
  a.global("_start");
  unwindBy(a, unwinding.outermost);
  // The kernel's stack becomes the program's, and is rewritten: the engine must not stand on it.
  a.mov(rdi, rsp);
  a.and(rsp, -16);
  a.call("engine.prepare");
  // The block, where the engine stack ends, and in front of it the frame: hooks are told of the execve as of a call.
  a.lea(rsp, mem({ base: rax, disp: -FRAME_SIZE }));
  a.mov(edi, behindFrame32(BLOCK_SELF));
  a.call("engine.start");
  a.push(FLAGS_AT_START);
  a.popfq();
  a.mov(rsp, behindFrame(BLOCK_SAVED_RCX));
  // The registers of a program that starts are all zero: ELF_PLAT_INIT in arch/x86/include/asm/elf.h.
  for (const [register] of RESTORED) a.mov(register, 0);
  a.mov(rcx, 0);
  a.global("enterProgram");
  unwindBy(a, unwinding.outermost);
  // The engine has put the entry point below the stack pointer, where nothing of the program's is yet.
  a.jmp(mem64({ base: rsp, disp: -8 }));

  // ---- a system call whose site is a trap without a trampoline (src/engine/patch/traps.ts), or that Syscall User Dispatch
  // caught (src/engine/thread/dispatched-call.ts): the signal gate has set BLOCK_AFTER and the saved registers, and r11 to
  // the engine stack's top
  a.global("gateTrap");
  unwindBy(a, unwinding.beforeSwitch);
  switchStack(a, unwinding.savingFrameAfter);
  a.global("gateTrapOnEngineStack");
  unwindBy(a, unwinding.savingFrameAfter);
  saveFrame(a);
  unwindBy(a, unwinding.inFrame);
  a.jmp(onSyscall);
  // ---- a system call that does not just pass through, when gs base is the program's: nothing leads to the block but the
  // alternate stack, so a fault brings the thread into the signal gate (src/engine/thread/faulted-call.ts). `hlt`, since
  // hypervisors do not look at every #GP, as they do at #UD.
  a.global("gateFault");
  unwindBy(a, unwinding.atDescriptor);
  a.hlt();

  // ---- a system call that does not just pass through
  a.global("gateSyscall");
  unwindBy(a, unwinding.atDescriptor);
  a.mov(r11, mem({ segment: "gs", disp: BLOCK_ADDRESS })); // r11 is lost, as after any `syscall`
  switchStack(a, unwinding.savingFrame);
  a.global("gateSyscallOnEngineStack");
  unwindBy(a, unwinding.savingFrame);
  saveFrame(a);
  // Here, not in the engine: a debugger that stops at the engine's first instruction goes on from it.
  a.movsxd(rax, mem32({ base: rcx }));
  a.lea(rax, mem({ base: rcx, index: rax, disp: SYSCALL_SIZE }));
  a.mov(behindFrame(BLOCK_AFTER), rax);
  unwindBy(a, unwinding.inFrame);
  a.bind(onSyscall);
  callWithBlock(a, "engine.onSyscall");
  a.bind(leave);
  a.cmp(eax, 1);
  a.jcc("e", enterReturnFrame);
  a.jcc("a", threadExit);
  a.cmp(behindFrame32(BLOCK_DEFERRED), 0);
  a.global("gateExit");
  unwindBy(a, unwinding.inFrame);
  a.jcc("ne", deferredAtExit);
  restoreArithmeticFlags(a, otherFlags);
  restoreRegisters(a);
  a.bind(restoreStack);
  a.mov(rsp, inFrame(FRAME_RSP));
  a.global("gateExitJump");
  unwindBy(a, unwinding.leaving);
  a.jmp(rcx);
  unwindBy(a, unwinding.inFrame);
  a.bind(otherFlags);
  restoreRegisters(a);
  a.push(inFrame(FRAME_FLAGS));
  unwindBy(a, unwinding.inFrameUnderFlags);
  a.popfq();
  unwindBy(a, unwinding.inFrame);
  a.jmp(restoreStack);
  a.global("gateExitEnd");
  unwindBy(a, unwinding.inFrame);

  a.bind(deferredAtExit);
  callWithBlock(a, "engine.onDeferredAtExit");
  a.jmp(enterReturnFrame);

  // ---- an instruction that hooks are called at: rcx is its descriptor (src/engine/patch/instruction-trampoline.ts). On the way
  // out no register is free: the way on is in the block.
  const deferredAtInstruction = a.label();
  const restoreStackAtInstruction = a.label();
  const otherFlagsAtInstruction = a.label();
  a.global("gateInstruction");
  unwindBy(a, unwinding.atDescriptor);
  a.mov(r11, mem({ segment: "gs", disp: BLOCK_ADDRESS }));
  switchStack(a, unwinding.savingFrame);
  a.global("gateInstructionOnEngineStack");
  unwindBy(a, unwinding.savingFrame);
  saveFrame(a);
  unwindBy(a, unwinding.inFrame);
  callWithBlock(a, "engine.onInstruction");
  a.cmp(behindFrame32(BLOCK_DEFERRED), 0);
  a.global("gateInstructionExit");
  unwindBy(a, unwinding.inFrame);
  a.jcc("ne", deferredAtInstruction);
  restoreArithmeticFlags(a, otherFlagsAtInstruction);
  restoreRegisters(a, FRAME_RCX);
  a.bind(restoreStackAtInstruction);
  a.mov(rsp, inFrame(FRAME_RSP));
  a.global("gateInstructionJump");
  unwindBy(a, unwinding.outermost);
  a.jmp(mem64({ segment: "gs", disp: BLOCK_AFTER }));
  unwindBy(a, unwinding.inFrame);
  a.bind(otherFlagsAtInstruction);
  restoreRegisters(a, FRAME_RCX);
  a.push(inFrame(FRAME_FLAGS));
  unwindBy(a, unwinding.inFrameUnderFlags);
  a.popfq();
  unwindBy(a, unwinding.inFrame);
  a.jmp(restoreStackAtInstruction);
  a.global("gateInstructionEnd");
  unwindBy(a, unwinding.inFrame);
  a.bind(deferredAtInstruction);
  callWithBlock(a, "engine.onDeferredAtInstruction");
  a.jmp(enterReturnFrame);

  // ---- any program state, through the kernel
  a.bind(enterReturnFrame);
  a.cmp(behindFrame32(BLOCK_DEFERRED), 0);
  a.global("gateReturn");
  unwindBy(a, unwinding.inFrame);
  a.jcc("ne", deferredAtReturn);
  a.mov(rsp, behindFrame(BLOCK_RETURN_FRAME));
  unwindBy(a, unwinding.inSignal);
  a.lea(rsp, mem({ base: rsp, disp: 8 })); // the handler's `ret` has taken pretcode
  unwindBy(a, unwinding.atSignalReturn, true);
  a.mov(eax, SYS_RT_SIGRETURN);
  jumpToSite(a);
  a.syscall();
  a.global("gateReturnEnd");
  unwindBy(a, unwinding.inFrame);
  a.bind(deferredAtReturn);
  callWithBlock(a, "engine.onDeferredAtReturn");
  a.jmp(enterReturnFrame);

  // ---- an `int $0x80` that Syscall User Dispatch caught: every register but rax is the program's, before and after
  a.global("gateInterrupt");
  unwindBy(a, unwinding.outermost);
  a.int(0x80);
  a.jmp(mem64({ segment: "gs", disp: BLOCK_AFTER }));
  a.global("gateInterruptFault");
  unwindBy(a, unwinding.outermost);
  a.int(0x80);
  a.hlt();
  a.global("gateInterruptEnd");

  // ---- exit or exit_group of a thread whose memory others go on using: from the store on, they may use or unmap the area
  a.bind(threadExit);
  a.mov(edi, mem32({ base: rsp, disp: FRAME_RDI }));
  a.mov(eax, mem32({ base: rsp, disp: FRAME_RAX }));
  a.mov(behindFrame32(BLOCK_DEAD), 1);
  a.syscall();
  a.ud2();

  // ---- a call that the kernel answers, with the program's registers and stack pointer
  a.global("gateNative");
  unwindBy(a, unwinding.outermost);
  a.syscall();
  a.mov(rcx, mem({ segment: "gs", disp: BLOCK_AFTER }));
  a.jmp(rcx);
  a.global("gateNativeFault");
  unwindBy(a, unwinding.outermost);
  a.syscall();
  a.hlt();
  a.global("gateNativeEnd");

  // ---- the same, and the engine wants to see how it ends (src/engine/hook): rcx and r11 are lost in it, as natively
  const hookedReturn = a.label();
  a.global("gateHooked");
  unwindBy(a, unwinding.outermost);
  a.syscall();
  a.mov(r11, mem({ segment: "gs", disp: BLOCK_ADDRESS }));
  a.jmp(hookedReturn);
  a.global("gateHookedFault");
  unwindBy(a, unwinding.outermost);
  a.syscall();
  a.hlt();
  a.bind(hookedReturn);
  a.global("gateHookedSwitch");
  unwindBy(a, unwinding.beforeSwitch);
  switchStack(a, unwinding.savingFrameAfter);
  a.global("gateHookedOnEngineStack");
  unwindBy(a, unwinding.savingFrameAfter);
  saveFrame(a);
  unwindBy(a, unwinding.inFrame);
  callWithBlock(a, "engine.onHookedReturn");
  a.jmp(leave);

  // ---- clone, clone3, fork, vfork: r14 is the caller's block, r15 the child's, every signal is blocked
  a.global("gateClone");
  unwindBy(a, unwinding.inClone);
  a.syscall();
  a.mov(rcx, rax);
  const child = a.label();
  const both = a.label();
  a.jrcxz(child);
  a.jmp(both);
  a.bind(child);
  a.mov(r14, r15);
  a.bind(both);
  a.mov(r11, r14);
  a.mov(r14, inBlock(r11, BLOCK_SAVED_R14));
  a.mov(r15, inBlock(r11, BLOCK_SAVED_R15));
  unwindBy(a, unwinding.beforeSwitch);
  switchStack(a, unwinding.savingFrameAfter);
  saveFrame(a);
  unwindBy(a, unwinding.inFrame);
  callWithBlock(a, "engine.onCloneReturn");
  a.jmp(leave);

  // ---- the kernel's handler for every signal: rdi = signal, rsi = siginfo, rdx = ucontext, on the alternate stack
  a.global("gateSignal");
  unwindBy(a, unwinding.inSignal);
  const signalReturn = a.label();
  const deferredAtSignal = a.label();
  a.mov(rbx, rsp);
  clearFlags(a);
  // uc_stack.ss_sp: the alternate stack is the start of the thread's area.
  a.mov(rbp, mem({ base: rdx, disp: UC_STACK }));
  a.add(rbp, BLOCK_OFFSET - ALTERNATE_STACK_OFFSET);
  a.mov(rcx, rdx);
  a.mov(rdx, rsi);
  a.mov(esi, edi);
  a.mov(edi, mem32({ base: rbp, disp: BLOCK_SELF }));
  const intoEngine = a.label();
  a.call("engine.onSignal");
  a.test(eax, eax);
  a.jcc("e", intoEngine); // the engine goes on, and delivers on its way out
  a.bind(signalReturn);
  a.cmp(mem32({ base: rbp, disp: BLOCK_DEFERRED }), 0);
  a.global("gateSignalReturn"); // rbx: the kernel's frame, which holds the program's state from here on
  unwindBy(a, unwinding.inSignal);
  a.jcc("ne", deferredAtSignal);
  a.bind(intoEngine);
  a.lea(rsp, mem({ base: rbx, disp: 8 }));
  unwindBy(a, unwinding.atSignalReturn, true);
  a.mov(eax, SYS_RT_SIGRETURN);
  jumpToSite(a);
  a.syscall();
  a.global("gateSignalRestorer"); // also the end of gateSignalReturn's range
  unwindBy(a, unwinding.atSignalReturn, true);
  a.ud2();
  unwindBy(a, unwinding.inSignal);
  a.bind(deferredAtSignal);
  a.mov(edi, mem32({ base: rbp, disp: BLOCK_SELF }));
  a.mov(rsi, rbx);
  a.call("engine.onDeferredAtSignal");
  a.jmp(signalReturn);
}
