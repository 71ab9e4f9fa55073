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
import { personality } from "./personality";
import { archPrctl, modifyLdt } from "./arch-prctl";
import { prctl } from "./prctl";
import { seccomp } from "./seccomp";

/** One past the last number that has a handler. */
export const VIRTUALISED_END: u32 = 470;

/** By number: 0 for a call that is the kernel's, else the case of `dispatch`. */
const handlers: StaticArray<u8> = [
  0, 0, 1, 0, 2, 0, 0, 0, 0, 3, 4, 5, 0, 6, 7, 8, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9, 10, 11, 12, 0, 13, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 14, 14, 15, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 17, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 18, 18, 0, 0, 0, 0, 0, 0, 18,
  18, 0, 18, 18, 0, 18, 0, 0, 18, 18, 0, 0, 18, 19, 20, 0, 21, 22, 2, 0, 0, 23, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  11, 11, 0, 0, 0, 24, 25, 0, 26, 27, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 2, 0, 0, 2, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 29, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 2, 2, 2, 0,
  0, 2, 0, 17, 2, 2, 30, 31, 0, 0, 0, 0, 0, 0, 0, 0, 2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
  0, 2, 0, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0, 0, 0, 0, 34, 0, 0, 11, 0, 0, 0, 4, 0, 0, 2, 35, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 36, 0, 2, 0, 0, 0, 0, 0, 0, 14, 0, 1, 0, 2, 37, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 38, 2, 2, 2, 2, 2, 2, 2,
];

/** Whether the engine handles the call with this number: dispatch-table.ts sends it to the gate. */
export function isVirtualised(number: u32): bool {
  return number < VIRTUALISED_END && unchecked(handlers[number]) != 0;
}

/** What becomes of a call that is virtualised: a value of kernel/call.ts. */
export function dispatch(thread: ThreadBlock, frame: GateFrame): u32 {
  switch (unchecked(handlers[frame.rax as u32])) {
    case 1:
      return openCall(thread, frame);
    case 2:
      return pathCall(thread, frame);
    case 3:
      return mmap(thread, frame);
    case 4:
      return mprotect(thread, frame);
    case 5:
      return munmap(thread, frame);
    case 6:
      return rtSigaction(thread, frame);
    case 7:
      return rtSigprocmask(thread, frame);
    case 8:
      return rtSigreturn(thread, frame);
    case 9:
      return mremap(thread, frame);
    case 10:
      return skipEngine(thread, frame);
    case 11:
      return stopAtEngine(thread, frame);
    case 12:
      return madvise(thread, frame);
    case 13:
      return shmat(thread, frame);
    case 14:
      return clone(thread, frame);
    case 15:
      return execve(thread, frame);
    case 16:
      return exit(thread, frame);
    case 17:
      return readlinkCall(thread, frame);
    case 18:
      return changeCredentials(thread, frame);
    case 19:
      return rtSigpending(thread, frame);
    case 20:
      return rtSigtimedwait(thread, frame);
    case 21:
      return rtSigsuspend(thread, frame);
    case 22:
      return sigaltstack(thread, frame);
    case 23:
      return personality(thread, frame);
    case 24:
      return modifyLdt(thread, frame);
    case 25:
      return leaveRoot(thread, frame);
    case 26:
      return prctl(thread, frame);
    case 27:
      return archPrctl(thread, frame);
    case 28:
      return remapFilePages(thread, frame);
    case 29:
      return exitGroup(thread, frame);
    case 30:
      return pselect6(thread, frame);
    case 31:
      return ppoll(thread, frame);
    case 32:
      return epollPwait(thread, frame);
    case 33:
      return seccomp(thread, frame);
    case 34:
      return execveat(thread, frame);
    case 35:
      return ioPgetevents(thread, frame);
    case 36:
      return ioUringEnter(thread, frame);
    case 37:
      return processMadvise(thread, frame);
    case 38:
      return mseal(thread, frame);
    default:
      return passToKernel(frame);
  }
}
