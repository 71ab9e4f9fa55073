// Generated from kernel/syscalls.txt by tools/gen-syscalls.ts. Do not edit.

// What handles each system call that reaches the gate.

import { GateFrame, ThreadBlock } from "../thread/block";
import { passToKernel } from "./call";
import { pathCall, pathCallAt } from "./proc-exe";
import { madvise, mmap, mprotect, mremap, munmap, shmat } from "./memory-map";
import {
  epollPwait,
  ppoll,
  pselect6,
  rtSigaction,
  rtSigpending,
  rtSigprocmask,
  rtSigreturn,
  rtSigsuspend,
  rtSigtimedwait,
  sigaltstack,
} from "./signal-calls";
import { mseal, processMadvise, remapFilePages, skipEngine, stopAtEngine } from "./memory-range";
import { clone } from "./clone";
import { execve, execveat } from "./exec";
import { exit, exitGroup } from "./exit";
import { archPrctl, modifyLdt } from "./arch-prctl";
import { leaveRoot } from "./launcher-file";
import {
  SYS_ARCH_PRCTL,
  SYS_CHROOT,
  SYS_CLONE,
  SYS_CLONE3,
  SYS_EPOLL_PWAIT,
  SYS_EPOLL_PWAIT2,
  SYS_EXECVE,
  SYS_EXECVEAT,
  SYS_EXIT,
  SYS_EXIT_GROUP,
  SYS_FORK,
  SYS_LSTAT,
  SYS_MADVISE,
  SYS_MINCORE,
  SYS_MLOCK,
  SYS_MLOCK2,
  SYS_MMAP,
  SYS_MODIFY_LDT,
  SYS_MPROTECT,
  SYS_MREMAP,
  SYS_MSEAL,
  SYS_MSYNC,
  SYS_MUNLOCK,
  SYS_MUNMAP,
  SYS_NEWFSTATAT,
  SYS_OPEN,
  SYS_OPENAT,
  SYS_OPENAT2,
  SYS_PIVOT_ROOT,
  SYS_PKEY_MPROTECT,
  SYS_PPOLL,
  SYS_PROCESS_MADVISE,
  SYS_PSELECT6,
  SYS_READLINK,
  SYS_READLINKAT,
  SYS_REMAP_FILE_PAGES,
  SYS_RT_SIGACTION,
  SYS_RT_SIGPENDING,
  SYS_RT_SIGPROCMASK,
  SYS_RT_SIGRETURN,
  SYS_RT_SIGSUSPEND,
  SYS_RT_SIGTIMEDWAIT,
  SYS_SETNS,
  SYS_SHMAT,
  SYS_SIGALTSTACK,
  SYS_STAT,
  SYS_STATX,
  SYS_VFORK,
} from "./numbers";

/** Calls that the gate sees: dispatch-table.ts sends them there. */
export const virtualised: StaticArray<u32> = [
  SYS_OPEN,
  SYS_STAT,
  SYS_LSTAT,
  SYS_MMAP,
  SYS_MPROTECT,
  SYS_MUNMAP,
  SYS_RT_SIGACTION,
  SYS_RT_SIGPROCMASK,
  SYS_RT_SIGRETURN,
  SYS_MREMAP,
  SYS_MSYNC,
  SYS_MINCORE,
  SYS_MADVISE,
  SYS_SHMAT,
  SYS_CLONE,
  SYS_FORK,
  SYS_VFORK,
  SYS_EXECVE,
  SYS_EXIT,
  SYS_READLINK,
  SYS_RT_SIGPENDING,
  SYS_RT_SIGTIMEDWAIT,
  SYS_RT_SIGSUSPEND,
  SYS_SIGALTSTACK,
  SYS_MLOCK,
  SYS_MUNLOCK,
  SYS_MODIFY_LDT,
  SYS_PIVOT_ROOT,
  SYS_ARCH_PRCTL,
  SYS_CHROOT,
  SYS_REMAP_FILE_PAGES,
  SYS_EXIT_GROUP,
  SYS_OPENAT,
  SYS_NEWFSTATAT,
  SYS_READLINKAT,
  SYS_PSELECT6,
  SYS_PPOLL,
  SYS_EPOLL_PWAIT,
  SYS_SETNS,
  SYS_EXECVEAT,
  SYS_MLOCK2,
  SYS_PKEY_MPROTECT,
  SYS_STATX,
  SYS_CLONE3,
  SYS_OPENAT2,
  SYS_PROCESS_MADVISE,
  SYS_EPOLL_PWAIT2,
  SYS_MSEAL,
];

/** What becomes of a call that reached the gate: a value of kernel/call.ts. */
export function dispatch(thread: ThreadBlock, frame: GateFrame): u32 {
  // The kernel reads eax, sign-extended, as the number: an alias in the low 16 bits is no such call.
  switch (frame.rax as u32) {
    case SYS_OPEN:
    case SYS_STAT:
    case SYS_LSTAT:
    case SYS_READLINK:
      return pathCall(thread, frame);
    case SYS_MMAP:
      return mmap(thread, frame);
    case SYS_MPROTECT:
    case SYS_PKEY_MPROTECT:
      return mprotect(thread, frame);
    case SYS_MUNMAP:
      return munmap(thread, frame);
    case SYS_RT_SIGACTION:
      return rtSigaction(thread, frame);
    case SYS_RT_SIGPROCMASK:
      return rtSigprocmask(thread, frame);
    case SYS_RT_SIGRETURN:
      return rtSigreturn(thread, frame);
    case SYS_MREMAP:
      return mremap(thread, frame);
    case SYS_MSYNC:
      return skipEngine(thread, frame);
    case SYS_MINCORE:
    case SYS_MLOCK:
    case SYS_MUNLOCK:
    case SYS_MLOCK2:
      return stopAtEngine(thread, frame);
    case SYS_MADVISE:
      return madvise(thread, frame);
    case SYS_SHMAT:
      return shmat(thread, frame);
    case SYS_CLONE:
    case SYS_FORK:
    case SYS_VFORK:
    case SYS_CLONE3:
      return clone(thread, frame);
    case SYS_EXECVE:
      return execve(thread, frame);
    case SYS_EXIT:
      return exit(thread, frame);
    case SYS_RT_SIGPENDING:
      return rtSigpending(thread, frame);
    case SYS_RT_SIGTIMEDWAIT:
      return rtSigtimedwait(thread, frame);
    case SYS_RT_SIGSUSPEND:
      return rtSigsuspend(thread, frame);
    case SYS_SIGALTSTACK:
      return sigaltstack(thread, frame);
    case SYS_MODIFY_LDT:
      return modifyLdt(thread, frame);
    case SYS_PIVOT_ROOT:
    case SYS_CHROOT:
    case SYS_SETNS:
      return leaveRoot(thread, frame);
    case SYS_ARCH_PRCTL:
      return archPrctl(thread, frame);
    case SYS_REMAP_FILE_PAGES:
      return remapFilePages(thread, frame);
    case SYS_EXIT_GROUP:
      return exitGroup(thread, frame);
    case SYS_OPENAT:
    case SYS_NEWFSTATAT:
    case SYS_READLINKAT:
    case SYS_STATX:
    case SYS_OPENAT2:
      return pathCallAt(thread, frame);
    case SYS_PSELECT6:
      return pselect6(thread, frame);
    case SYS_PPOLL:
      return ppoll(thread, frame);
    case SYS_EPOLL_PWAIT:
    case SYS_EPOLL_PWAIT2:
      return epollPwait(thread, frame);
    case SYS_EXECVEAT:
      return execveat(thread, frame);
    case SYS_PROCESS_MADVISE:
      return processMadvise(thread, frame);
    case SYS_MSEAL:
      return mseal(thread, frame);
    default:
      return passToKernel(frame);
  }
}
