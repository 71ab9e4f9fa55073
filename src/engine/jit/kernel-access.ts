// System calls whose data is in split pages: the kernel does not fault as the program does, it gives EFAULT.
//
// A view's file (jit/views.ts) that a call writes to is treated alike.
//
// Calls that read or write data through a pointer come to the gate from the moment on that a page can be written and is kept
// from it. Pages that they name are WRITTEN when the kernel gets to them, unless another thread runs code on the same page while
// the call waits for its data.
//
// Not looked at: what is no data but an argument (a struct stat, a futex word) in the midst of generated code.

import { PROT_WRITE } from "../load/map";
import {
  SYS_COPY_FILE_RANGE,
  SYS_FALLOCATE,
  SYS_FTRUNCATE,
  SYS_GETRANDOM,
  SYS_PREAD64,
  SYS_PREADV,
  SYS_PREADV2,
  SYS_PROCESS_VM_READV,
  SYS_PROCESS_VM_WRITEV,
  SYS_PWRITE64,
  SYS_PWRITEV,
  SYS_PWRITEV2,
  SYS_READ,
  SYS_READV,
  SYS_RECVFROM,
  SYS_RECVMMSG,
  SYS_RECVMSG,
  SYS_SENDFILE,
  SYS_SENDMMSG,
  SYS_SENDMSG,
  SYS_SENDTO,
  SYS_SPLICE,
  SYS_VMSPLICE,
  SYS_WRITE,
  SYS_WRITEV,
} from "../kernel/numbers";
import { sendToGate } from "../kernel/dispatch-table";
import { Address, tryCopyIn } from "../process";
import { GateFrame, ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { PAGE_SIZE, PATCHED, SEARCHED, nextSplit, splitEnd, splitProtection, splitStart, splitState } from "./pages";
import { DATA_CALLS } from "./data-calls";
import { openSplit } from "./turn";
import { openFile, openShown } from "./view-calls";

/** Whether there are pages that the kernel may be kept from. */
export let keepsKernelOut: bool = false;

/**
 * A page that the program may write is about to be kept from it. Under the engine lock.
 * @returns whether the calls come to the gate from now on
 */
export function watchKernel(): bool {
  if (!keepsKernelOut) keepsKernelOut = sendToGate(DATA_CALLS);
  return keepsKernelOut;
}

/** The kernel is about to read or write [start, start + size). Under the engine lock. */
function open(start: Address, size: u64): void {
  if (size == 0 || start + size < start) return;
  const first = start & ~(PAGE_SIZE - 1);
  const end = (start + size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
  for (let at = first; nextSplit(at, end);) {
    at = splitEnd;
    if (!(splitProtection & PROT_WRITE) || (splitState != SEARCHED && splitState != PATCHED)) continue;
    openSplit(splitStart, at);
  }
  openShown(first, end);
}

const IOV_MAX: u64 = 1024;
const vector = memory.data(16, 8);

/** The same for what `count` struct iovec name: base, size. */
function openVector(address: Address, count: u64): void {
  for (let i: u64 = 0; i < min(count, IOV_MAX); i++) {
    if (tryCopyIn(vector, address + i * 16, 16) != 0) return;
    open(load<u64>(vector), load<u64>(vector, 8));
  }
}

/** struct msghdr: msg_iov and msg_iovlen. */
const MSG_IOV: u64 = 16;

function openMessage(address: Address): void {
  if (tryCopyIn(vector, address + MSG_IOV, 16) == 0) openVector(load<u64>(vector), load<u64>(vector, 8));
}

/** struct mmsghdr: a struct msghdr and how much was moved. */
const MMSGHDR_SIZE: u64 = 64;

function openMessages(address: Address, count: u64): void {
  for (let i: u64 = 0; i < min(count, IOV_MAX); i++) openMessage(address + i * MMSGHDR_SIZE);
}

/** The descriptor of the file that a call writes to, if it does; or -1. */
function writtenFile(frame: GateFrame): u64 {
  switch (frame.rax as u32) {
    case SYS_WRITE:
    case SYS_PWRITE64:
    case SYS_WRITEV:
    case SYS_PWRITEV:
    case SYS_PWRITEV2:
    case SYS_FTRUNCATE:
    case SYS_FALLOCATE:
    case SYS_SENDFILE:
      return frame.rdi;
    case SYS_SPLICE:
    case SYS_COPY_FILE_RANGE:
      return frame.rdx;
    default:
      return -1;
  }
}

/** A call is about to be made. */
export function openForKernel(thread: ThreadBlock, frame: GateFrame): void {
  const number = frame.rax as u32;
  lockEngine(thread);
  openFile(writtenFile(frame));
  switch (number) {
    case SYS_READ:
    case SYS_WRITE:
    case SYS_PREAD64:
    case SYS_PWRITE64:
    case SYS_RECVFROM:
    case SYS_SENDTO:
      open(frame.rsi, frame.rdx);
      break;
    case SYS_GETRANDOM:
      open(frame.rdi, frame.rsi);
      break;
    case SYS_READV:
    case SYS_WRITEV:
    case SYS_PREADV:
    case SYS_PWRITEV:
    case SYS_PREADV2:
    case SYS_PWRITEV2:
    case SYS_PROCESS_VM_READV:
    case SYS_PROCESS_VM_WRITEV:
    case SYS_VMSPLICE:
      openVector(frame.rsi, frame.rdx);
      break;
    case SYS_RECVMSG:
    case SYS_SENDMSG:
      openMessage(frame.rsi);
      break;
    case SYS_RECVMMSG:
    case SYS_SENDMMSG:
      openMessages(frame.rsi, frame.rdx);
      break;
  }
  unlockEngine();
}

/** The engine itself is about to write to [start, start + size) for the program, a signal frame. */
export function openForFrame(thread: ThreadBlock, start: Address, size: u64): void {
  if (!keepsKernelOut) return;
  lockEngine(thread);
  open(start, size);
  unlockEngine();
}
