// Strict mode: read, write, exit and rt_sigreturn, and SIGKILL for everything else (__secure_computing_strict of
// kernel/seccomp.c).
//
// The kernel's own strict mode would kill for the engine's calls, too. So it is a filter, whose trap brings the thread here
// to die as it would natively: alone in its process by SIGKILL, else as one thread among others. The filter needs
// no_new_privs where the kernel's mode does not; a thread that can execute nothing has no use for privileges to gain. The
// kernel also forbids to read the time-stamp counter (disable_TSC).

import { liveThreadCount } from "../thread/areas";
import { GateFrame, ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { Context, SIGKILL } from "../thread/signal-frame";
import { SYSCALL_SIZE } from "../thread/trampoline";
import { finish, passToKernel } from "../kernel/call";
import { isError, syscall3, syscall5 } from "../kernel/calls";
import { ENOMEM } from "../kernel/errno";
import { exit } from "../kernel/exit";
import { SYS_EXIT, SYS_PRCTL, SYS_READ, SYS_RT_SIGRETURN, SYS_SECCOMP, SYS_TGKILL, SYS_WRITE } from "../kernel/numbers";
import { poke32 } from "../process";
import {
  DATA_ARCHITECTURE,
  DATA_ARGUMENTS,
  DATA_NUMBER,
  INSTRUCTION_SIZE,
  JMP_JEQ,
  LD_ABS,
  RET_K,
  beginProgram,
  put,
} from "./bpf";
import { NODE_HEADER, NODE_PREFIX, RET_TRAP } from "./filters";
import { allocateNode, freeNode, giveToKernel } from "./install";
import { AUDIT_ARCH_X86_64, PREFIX_LENGTH, RET_ALLOW, writePrefix } from "./prefix";
import { ensureSite, siteInstructionPointer } from "./site";

const PR_GET_SECCOMP: u64 = 21;
const PR_SET_TSC: u64 = 26;
const PR_TSC_SIGSEGV: u64 = 2;
const PR_SET_NO_NEW_PRIVS: u64 = 38;
const SECCOMP_SET_MODE_FILTER: u64 = 1;

// Numbers of instructions.
const ALLOW: u32 = 14;
const TRAP: u32 = 15;
const LENGTH: u32 = 16;

function writeStrictFilter(thread: ThreadBlock, at: u64): void {
  beginProgram(at);
  put(LD_ABS, DATA_ARCHITECTURE as u32);
  put(JMP_JEQ, AUDIT_ARCH_X86_64, 2, TRAP);
  put(LD_ABS, DATA_NUMBER as u32);
  put(JMP_JEQ, SYS_READ, ALLOW, 4);
  put(JMP_JEQ, SYS_WRITE, ALLOW, 5);
  put(JMP_JEQ, SYS_EXIT, ALLOW, 6);
  put(JMP_JEQ, SYS_RT_SIGRETURN, ALLOW, 7);
  put(JMP_JEQ, SYS_TGKILL, 8, TRAP);
  // The one that kills: whoever makes it ends as it should.
  put(LD_ABS, DATA_ARGUMENTS as u32);
  put(JMP_JEQ, thread.pid, 10, TRAP);
  put(LD_ABS, (DATA_ARGUMENTS as u32) + 8);
  put(JMP_JEQ, thread.tid, 12, TRAP);
  put(LD_ABS, (DATA_ARGUMENTS as u32) + 16);
  put(JMP_JEQ, SIGKILL, ALLOW, TRAP);
  put(RET_K, RET_ALLOW);
  put(RET_K, RET_TRAP);
}

/** seccomp(SECCOMP_SET_MODE_STRICT, 0, 0) and prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) */
export function setStrict(thread: ThreadBlock, frame: GateFrame): u32 {
  // A thread with a filter cannot change over: seccomp_may_assign_mode.
  if (syscall5(SYS_PRCTL, PR_GET_SECCOMP, 0, 0, 0, 0) != 0) return passToKernel(frame);
  const length = PREFIX_LENGTH + LENGTH;
  const node = allocateNode(length);
  if (node == 0) return finish(thread, frame, -ENOMEM);
  const instructions = node + NODE_HEADER;
  poke32(node + NODE_PREFIX, PREFIX_LENGTH);
  syscall5(SYS_PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  syscall5(SYS_PRCTL, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
  lockEngine(thread);
  ensureSite();
  writePrefix(instructions, siteInstructionPointer());
  writeStrictFilter(thread, instructions + (PREFIX_LENGTH as u64) * INSTRUCTION_SIZE);
  const result = giveToKernel(thread, SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, 0, node, length);
  unlockEngine();
  if (isError(result)) freeNode(node, length);
  else thread.isStrict = 1;
  return finish(thread, frame, result);
}

function killAlone(thread: ThreadBlock): bool {
  return liveThreadCount(thread.pid) == 1 && syscall3(SYS_TGKILL, thread.pid, thread.tid, SIGKILL) == 0;
}

/** A call that strict mode forbids has reached the gate. */
export function endStrictly(thread: ThreadBlock, frame: GateFrame): u32 {
  killAlone(thread);
  frame.rax = SYS_EXIT;
  frame.rdi = SIGKILL;
  return exit(thread, frame);
}

/** The filter has trapped a call: the thread goes on with the call of its end, at the same site. */
export function endStrictlyAt(thread: ThreadBlock, context: Context): void {
  killAlone(thread);
  context.rip -= SYSCALL_SIZE;
  context.rax = SYS_EXIT;
  context.rdi = SIGKILL;
}
