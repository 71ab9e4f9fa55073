// What this processor, kernel and container offer, found out by asking: for `flicker doctor` (src/host/doctor).
//
// A kernel's version does not say what it answers here: a container's seccomp filter, a security module or the kernel's
// configuration take calls away. So the launcher asks, as the process that would need the answer, when argv[0] is
// PROBE_NAME. It asks before it needs anything itself, FSGSBASE included, and writes each fact as a line of its own, `name
// value`, at once: should a filter kill the process for a question, the answers so far are there. A value is what
// the kernel gave, -errno included; src/host/doctor/checks.ts says what it means. Every question is put so that it changes
// nothing outside this process, which then ends.

import { addressOf, isError, syscall1, syscall2, syscall3, syscall4, syscall5 } from "../kernel/calls";
import {
  SYS_ARCH_PRCTL,
  SYS_EXECVEAT,
  SYS_EXIT_GROUP,
  SYS_FACCESSAT2,
  SYS_MEMBARRIER,
  SYS_MMAP,
  SYS_MPROTECT,
  SYS_MREMAP,
  SYS_OPENAT,
  SYS_PRCTL,
} from "../kernel/numbers";
import { cpuid, peek8, poke8, syscall } from "../process";
import { appendDecimal, appendText, copyString, equalsText, writeOut } from "../text";
import { AT_HWCAP2, AT_MINSIGSTKSZ, auxiliaryValue } from "./auxiliary";
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "./map";
import { AT_EXECVE_CHECK, AT_FDCWD } from "./program";
import { InitialStack, argument } from "./stack";

/** argv[0] of a launcher that is to answer instead of running a program. */
const PROBE_NAME = "flicker-probe";

const STDOUT: u64 = 1;
const PAGE_SIZE: u64 = 4096;
const O_CLOEXEC: u64 = 0x80000;
const MREMAP_MAYMOVE: u64 = 1;
const AT_EACCESS: u64 = 0x200;
// Only asked about here, never called for its own sake.
const SYS_RSEQ: u32 = 334;
const SYS_CLONE3: u32 = 435;

const word = memory.data(32, 8);
const line = memory.data(64, 8);
const own = memory.data(16, 8);
const scratch = memory.data(32, 8);

function writeFact(name: string, value: i64): void {
  let at = appendText(line, name);
  store<u8>(at++, 32);
  if (value < 0) store<u8>(at++, 45);
  at = appendDecimal(at, (value < 0 ? -value : value) as u64);
  store<u8>(at++, 10);
  writeOut(STDOUT, line, at);
}

/** The bytes of a signal frame's xstate with all that XCR0 enables: CPUID leaf 0xd, ebx. */
function xstateSize(): i64 {
  cpuid(0, 0, scratch);
  if (load<u32>(scratch) < 0xd) return 0;
  cpuid(0xd, 0, scratch);
  return load<u32>(scratch, 4);
}

/** PR_SET_MM_MAP_SIZE gives the size of the struct that PR_SET_MM_MAP takes, or fails where the kernel has neither. */
function askMemoryMap(): i64 {
  const PR_SET_MM: u64 = 35;
  const PR_SET_MM_MAP_SIZE: u64 = 15;
  return syscall5(SYS_PRCTL, PR_SET_MM, PR_SET_MM_MAP_SIZE, addressOf(scratch), 0, 0);
}

/** Switches Syscall User Dispatch off, which it is. */
function askSyscallUserDispatch(): i64 {
  const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
  return syscall5(SYS_PRCTL, PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0);
}

/** The commands of membarrier as a mask: MEMBARRIER_CMD_QUERY. */
function askMembarrier(): i64 {
  return syscall2(SYS_MEMBARRIER, 0, 0);
}

/** Whether the kernel would execute the launcher: EINVAL where it does not know the question. */
function askExecuteCheck(): i64 {
  store<u64>(scratch, 0);
  return syscall5(SYS_EXECVEAT, AT_FDCWD, addressOf(own), addressOf(scratch), addressOf(scratch), AT_EXECVE_CHECK);
}

/** A second view of shared memory (mremap with an old size of 0), through which the first is seen. */
function askSharedView(): i64 {
  const first = syscall(SYS_MMAP, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (isError(first)) return first;
  const view = syscall4(SYS_MREMAP, first, 0, PAGE_SIZE, MREMAP_MAYMOVE);
  if (isError(view)) return view;
  poke8(first, 1);
  return peek8(view) == 1 ? 0 : -1;
}

/** clone3 without arguments: EINVAL where there is one. */
function askClone3(): i64 {
  return syscall2(SYS_CLONE3, 0, 0);
}

/** Takes back an rseq area that was never registered: EINVAL where there is rseq. */
function askRseq(): i64 {
  return syscall4(SYS_RSEQ, 0, 0, 1, 0);
}

function askAccess(): i64 {
  return syscall4(SYS_FACCESSAT2, AT_FDCWD, addressOf(own), 0, AT_EACCESS);
}

/** Whether memory that was written may become code: what trampolines are. */
function askAnonymousCode(): i64 {
  const at = syscall(SYS_MMAP, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(at)) return at;
  poke8(at, 0xc3);
  return syscall3(SYS_MPROTECT, at, PAGE_SIZE, PROT_READ | PROT_EXEC);
}

/** Whether a changed private page of a file may be code: what a patched page is. */
function askChangedCode(): i64 {
  const descriptor = syscall4(SYS_OPENAT, AT_FDCWD, addressOf(own), O_CLOEXEC, 0);
  if (isError(descriptor)) return descriptor;
  const at = syscall(SYS_MMAP, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0);
  if (isError(at)) return at;
  poke8(at, peek8(at));
  return syscall3(SYS_MPROTECT, at, PAGE_SIZE, PROT_READ | PROT_EXEC);
}

/** The shadow stack features that are on in this process, as a mask; an error where kernel or processor have none. */
function askShadowStack(): i64 {
  const ARCH_SHSTK_STATUS: u64 = 0x5005;
  store<u64>(scratch, 0);
  const result = syscall2(SYS_ARCH_PRCTL, ARCH_SHSTK_STATUS, addressOf(scratch));
  return isError(result) ? result : load<i64>(scratch);
}

/** Writes the facts and ends the process, when that is what argv[0] asks for. */
export function answerProbe(stack: InitialStack): void {
  if (stack.argumentCount != 1 || copyString(word, argument(stack, 0), 32) < 0 || !equalsText(word, PROBE_NAME)) return;
  store<u8>(appendText(own, "/proc/self/exe"), 0);
  writeFact("hwcap2", auxiliaryValue(stack.auxiliary, AT_HWCAP2) as i64);
  writeFact("signalFrame", auxiliaryValue(stack.auxiliary, AT_MINSIGSTKSZ) as i64);
  writeFact("xstate", xstateSize());
  writeFact("access", askAccess());
  writeFact("anonymousCode", askAnonymousCode());
  writeFact("changedCode", askChangedCode());
  writeFact("sharedView", askSharedView());
  writeFact("memoryMap", askMemoryMap());
  writeFact("executeCheck", askExecuteCheck());
  writeFact("membarrier", askMembarrier());
  writeFact("syscallUserDispatch", askSyscallUserDispatch());
  writeFact("clone3", askClone3());
  writeFact("rseq", askRseq());
  writeFact("shadowStack", askShadowStack());
  syscall1(SYS_EXIT_GROUP, 0);
}
