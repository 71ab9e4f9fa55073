// gs base: the trampolines' way to the thread block, until the program wants it for itself (invariant I2).
//
// At the start gs base is the engine's, and the program's is virtual: 0, as natively, and setting it to 0 changes nothing.
// From the moment that the program may have another one (arch_prctl, an instruction that writes it, a descriptor of its
// own) it is the program's, process-wide and for good: patch/yield-gs.ts takes the trampolines off it, the way in is
// `gateFault`, and gates and engine find the block through their stack as ever. Nobody then loads or saves gs base at a
// gate, a signal or a clone: what the register holds is the program's, as natively.
//
// A thread that is not the one that asked still has the engine's value in its register. It gets the program's, 0, when it
// next leaves the engine or is interrupted by a signal (`settleGs`); its trampolines do not care by then.
//
// Without FSGSBASE (before Linux 5.9 or Ivy Bridge) gs base is set by arch_prctl: once at the start, once for each thread.
// A seccomp filter may forbid that. So under a filter gs base is the program's there, too, and the engine never sets it.

import { syscall2 } from "../kernel/calls";
import { SYS_ARCH_PRCTL } from "../kernel/numbers";
import { writeGsBase } from "../process";
import { ThreadBlock } from "./block";

const ARCH_SET_GS: u64 = 0x1001;

/** Whether `wrgsbase` may be used. */
let hasInstructions: bool = false;
/** Whether a filter may forbid to set it by a system call. */
let isForbidden: bool = false;

/** Whether gs base is the program's. */
export let programOwnsGs: bool = false;

/** gs base is the program's from here on: trampolines do not need it any more. Under the engine lock. */
export function setProgramOwnsGs(): void {
  programOwnsGs = true;
}

function setGsBase(base: u64): void {
  if (hasInstructions) {
    writeGsBase(base);
    return;
  }
  if (isForbidden) return;
  const result = syscall2(SYS_ARCH_PRCTL, ARCH_SET_GS, base);
  assert(result == 0, "the kernel refuses to set gs base");
}

/** In the first thread: gs base leads to its block. */
export function beginGs(thread: ThreadBlock, withInstructions: bool): void {
  hasInstructions = withInstructions;
  if (!withInstructions && thread.filters != 0) {
    isForbidden = true;
    programOwnsGs = true;
  }
  inheritGs(thread);
}

/** Whether gs base has to be the program's under a filter. */
export function losesGsToFilters(): bool {
  return !hasInstructions;
}

/** gs base is the program's, and a filter is about to be installed. */
export function forbidSettingGs(): void {
  isForbidden = true;
}

/** In a thread that has its parent's gs base. */
export function inheritGs(thread: ThreadBlock): void {
  if (thread.hasProgramGs || programOwnsGs) return;
  setGsBase(thread.address);
}

/** On the way out of the engine: if gs base is the program's, this thread's register holds the program's value. */
export function settleGs(thread: ThreadBlock): void {
  if (!programOwnsGs || thread.hasProgramGs) return;
  thread.hasProgramGs = 1;
  setGsBase(0);
}
