// Generated from kernel/syscalls.txt by tools/gen-syscalls.ts. Do not edit.

// What handles each system call that reaches the gate.

import { GateFrame, ThreadBlock } from "../thread/block";
import { passToKernel } from "./call";
import { openCall, pathCall, readlinkCall } from "./proc-exe";
import { madvise, mmap, mprotect, mremap, munmap, shmat } from "./memory-map";
import {
  epollPwait,
  ioPgetevents,
  ioUringEnter,
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
import { changeCredentials, leaveRoot } from "./held-files";
import { archPrctl, modifyLdt } from "./arch-prctl";
import { prctl } from "./prctl";
import { seccomp } from "./seccomp";
import {
  SYS_ACCESS,
  SYS_ARCH_PRCTL,
  SYS_CAPSET,
  SYS_CHMOD,
  SYS_CHOWN,
  SYS_CHROOT,
  SYS_CLONE,
  SYS_CLONE3,
  SYS_CREAT,
  SYS_EPOLL_PWAIT,
  SYS_EPOLL_PWAIT2,
  SYS_EXECVE,
  SYS_EXECVEAT,
  SYS_EXIT,
  SYS_EXIT_GROUP,
  SYS_FACCESSAT,
  SYS_FACCESSAT2,
  SYS_FANOTIFY_MARK,
  SYS_FCHMODAT,
  SYS_FCHMODAT2,
  SYS_FCHOWNAT,
  SYS_FILE_GETATTR,
  SYS_FILE_SETATTR,
  SYS_FORK,
  SYS_FUTIMESAT,
  SYS_GETXATTR,
  SYS_GETXATTRAT,
  SYS_INOTIFY_ADD_WATCH,
  SYS_IO_PGETEVENTS,
  SYS_IO_URING_ENTER,
  SYS_LINKAT,
  SYS_LISTXATTR,
  SYS_LISTXATTRAT,
  SYS_MADVISE,
  SYS_MINCORE,
  SYS_MLOCK,
  SYS_MLOCK2,
  SYS_MMAP,
  SYS_MODIFY_LDT,
  SYS_MOUNT,
  SYS_MPROTECT,
  SYS_MREMAP,
  SYS_MSEAL,
  SYS_MSYNC,
  SYS_MUNLOCK,
  SYS_MUNMAP,
  SYS_NAME_TO_HANDLE_AT,
  SYS_NEWFSTATAT,
  SYS_OPEN,
  SYS_OPENAT,
  SYS_OPENAT2,
  SYS_OPEN_TREE,
  SYS_OPEN_TREE_ATTR,
  SYS_PIVOT_ROOT,
  SYS_PKEY_MPROTECT,
  SYS_PPOLL,
  SYS_PRCTL,
  SYS_PROCESS_MADVISE,
  SYS_PSELECT6,
  SYS_READLINK,
  SYS_READLINKAT,
  SYS_REMAP_FILE_PAGES,
  SYS_REMOVEXATTR,
  SYS_REMOVEXATTRAT,
  SYS_RT_SIGACTION,
  SYS_RT_SIGPENDING,
  SYS_RT_SIGPROCMASK,
  SYS_RT_SIGRETURN,
  SYS_RT_SIGSUSPEND,
  SYS_RT_SIGTIMEDWAIT,
  SYS_SECCOMP,
  SYS_SETFSGID,
  SYS_SETFSUID,
  SYS_SETGID,
  SYS_SETGROUPS,
  SYS_SETNS,
  SYS_SETREGID,
  SYS_SETRESGID,
  SYS_SETRESUID,
  SYS_SETREUID,
  SYS_SETUID,
  SYS_SETXATTR,
  SYS_SETXATTRAT,
  SYS_SHMAT,
  SYS_SIGALTSTACK,
  SYS_STAT,
  SYS_STATFS,
  SYS_STATX,
  SYS_TRUNCATE,
  SYS_UTIME,
  SYS_UTIMENSAT,
  SYS_UTIMES,
  SYS_VFORK,
} from "./numbers";

/** Calls that the gate sees: dispatch-table.ts sends them there. */
export const virtualised: StaticArray<u32> = [
  SYS_OPEN,
  SYS_STAT,
  SYS_MMAP,
  SYS_MPROTECT,
  SYS_MUNMAP,
  SYS_RT_SIGACTION,
  SYS_RT_SIGPROCMASK,
  SYS_RT_SIGRETURN,
  SYS_ACCESS,
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
  SYS_TRUNCATE,
  SYS_CREAT,
  SYS_READLINK,
  SYS_CHMOD,
  SYS_CHOWN,
  SYS_SETUID,
  SYS_SETGID,
  SYS_SETREUID,
  SYS_SETREGID,
  SYS_SETGROUPS,
  SYS_SETRESUID,
  SYS_SETRESGID,
  SYS_SETFSUID,
  SYS_SETFSGID,
  SYS_CAPSET,
  SYS_RT_SIGPENDING,
  SYS_RT_SIGTIMEDWAIT,
  SYS_RT_SIGSUSPEND,
  SYS_SIGALTSTACK,
  SYS_UTIME,
  SYS_STATFS,
  SYS_MLOCK,
  SYS_MUNLOCK,
  SYS_MODIFY_LDT,
  SYS_PIVOT_ROOT,
  SYS_PRCTL,
  SYS_ARCH_PRCTL,
  SYS_CHROOT,
  SYS_MOUNT,
  SYS_SETXATTR,
  SYS_GETXATTR,
  SYS_LISTXATTR,
  SYS_REMOVEXATTR,
  SYS_REMAP_FILE_PAGES,
  SYS_EXIT_GROUP,
  SYS_UTIMES,
  SYS_INOTIFY_ADD_WATCH,
  SYS_OPENAT,
  SYS_FCHOWNAT,
  SYS_FUTIMESAT,
  SYS_NEWFSTATAT,
  SYS_LINKAT,
  SYS_READLINKAT,
  SYS_FCHMODAT,
  SYS_FACCESSAT,
  SYS_PSELECT6,
  SYS_PPOLL,
  SYS_UTIMENSAT,
  SYS_EPOLL_PWAIT,
  SYS_FANOTIFY_MARK,
  SYS_NAME_TO_HANDLE_AT,
  SYS_SETNS,
  SYS_SECCOMP,
  SYS_EXECVEAT,
  SYS_MLOCK2,
  SYS_PKEY_MPROTECT,
  SYS_STATX,
  SYS_IO_PGETEVENTS,
  SYS_IO_URING_ENTER,
  SYS_OPEN_TREE,
  SYS_CLONE3,
  SYS_OPENAT2,
  SYS_FACCESSAT2,
  SYS_PROCESS_MADVISE,
  SYS_EPOLL_PWAIT2,
  SYS_FCHMODAT2,
  SYS_MSEAL,
  SYS_SETXATTRAT,
  SYS_GETXATTRAT,
  SYS_LISTXATTRAT,
  SYS_REMOVEXATTRAT,
  SYS_OPEN_TREE_ATTR,
  SYS_FILE_GETATTR,
  SYS_FILE_SETATTR,
];

/** What becomes of a call that reached the gate: a value of kernel/call.ts. */
export function dispatch(thread: ThreadBlock, frame: GateFrame): u32 {
  // The kernel reads eax, sign-extended, as the number: an alias in the low 16 bits is no such call.
  switch (frame.rax as u32) {
    case SYS_OPEN:
    case SYS_TRUNCATE:
    case SYS_CREAT:
    case SYS_OPENAT:
    case SYS_OPENAT2:
      return openCall(thread, frame);
    case SYS_STAT:
    case SYS_ACCESS:
    case SYS_CHMOD:
    case SYS_CHOWN:
    case SYS_UTIME:
    case SYS_STATFS:
    case SYS_MOUNT:
    case SYS_SETXATTR:
    case SYS_GETXATTR:
    case SYS_LISTXATTR:
    case SYS_REMOVEXATTR:
    case SYS_UTIMES:
    case SYS_INOTIFY_ADD_WATCH:
    case SYS_FCHOWNAT:
    case SYS_FUTIMESAT:
    case SYS_NEWFSTATAT:
    case SYS_LINKAT:
    case SYS_FCHMODAT:
    case SYS_FACCESSAT:
    case SYS_UTIMENSAT:
    case SYS_FANOTIFY_MARK:
    case SYS_NAME_TO_HANDLE_AT:
    case SYS_STATX:
    case SYS_OPEN_TREE:
    case SYS_FACCESSAT2:
    case SYS_FCHMODAT2:
    case SYS_SETXATTRAT:
    case SYS_GETXATTRAT:
    case SYS_LISTXATTRAT:
    case SYS_REMOVEXATTRAT:
    case SYS_OPEN_TREE_ATTR:
    case SYS_FILE_GETATTR:
    case SYS_FILE_SETATTR:
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
    case SYS_READLINK:
    case SYS_READLINKAT:
      return readlinkCall(thread, frame);
    case SYS_SETUID:
    case SYS_SETGID:
    case SYS_SETREUID:
    case SYS_SETREGID:
    case SYS_SETGROUPS:
    case SYS_SETRESUID:
    case SYS_SETRESGID:
    case SYS_SETFSUID:
    case SYS_SETFSGID:
    case SYS_CAPSET:
      return changeCredentials(thread, frame);
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
    case SYS_PRCTL:
      return prctl(thread, frame);
    case SYS_ARCH_PRCTL:
      return archPrctl(thread, frame);
    case SYS_REMAP_FILE_PAGES:
      return remapFilePages(thread, frame);
    case SYS_EXIT_GROUP:
      return exitGroup(thread, frame);
    case SYS_PSELECT6:
      return pselect6(thread, frame);
    case SYS_PPOLL:
      return ppoll(thread, frame);
    case SYS_EPOLL_PWAIT:
    case SYS_EPOLL_PWAIT2:
      return epollPwait(thread, frame);
    case SYS_SECCOMP:
      return seccomp(thread, frame);
    case SYS_EXECVEAT:
      return execveat(thread, frame);
    case SYS_IO_PGETEVENTS:
      return ioPgetevents(thread, frame);
    case SYS_IO_URING_ENTER:
      return ioUringEnter(thread, frame);
    case SYS_PROCESS_MADVISE:
      return processMadvise(thread, frame);
    case SYS_MSEAL:
      return mseal(thread, frame);
    default:
      return passToKernel(frame);
  }
}
