// arch_prctl, and the other call that gives a program segments of its own: modify_ldt.
//
// gs base is the engine's as long as the program does not want it (thread/gs-base.ts): until then it is 0 to the program,
// as natively, which can read it and set it to 0. A program that sets it to something else, or makes itself a descriptor
// that it can load into %gs, gets the register: from then on all of this is the kernel's business.
//
// Shadow stacks (CET, Linux 6.6) are not offered: the engine changes where signals return to, and trampolines where
// functions do. glibc asks for one when GLIBC_TUNABLES say so, and goes on without.
//
// The options are those of arch/x86/include/uapi/asm/prctl.h; kernel/prctl-options.txt says of each what becomes of it.

import { yieldGs } from "../patch/yield-gs";
import { tryCopyOut } from "../process";
import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { programOwnsGs, settleGs } from "../thread/gs-base";
import { lockEngine, unlockEngine } from "../thread/lock";
import { finish, passToKernel } from "./call";
import { addressOf, isError, syscall2 } from "./calls";
import { EFAULT, EOPNOTSUPP } from "./errno";
import { SYS_ARCH_PRCTL } from "./numbers";

const ARCH_SET_GS: u32 = 0x1001;
const ARCH_GET_GS: u32 = 0x1004;
const ARCH_SHSTK_ENABLE: u32 = 0x5001;
const ARCH_SHSTK_STATUS: u32 = 0x5005;

/** The kernel answers, and gs base is the program's from here on. */
function passWithGs(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  const result = yieldGs();
  unlockEngine();
  if (isError(result)) return finish(thread, frame, result);
  // The kernel is to find the program's value, and to leave its own.
  settleGs(thread);
  return passToKernel(frame);
}

/** EOPNOTSUPP, as on a processor without shadow stacks, unless the kernel has its own refusal. */
function refuseShadowStack(thread: ThreadBlock, frame: GateFrame): u32 {
  const status = syscall2(SYS_ARCH_PRCTL, ARCH_SHSTK_STATUS, addressOf(frameBufferOf(thread)));
  return isError(status) ? passToKernel(frame) : finish(thread, frame, -EOPNOTSUPP);
}

/** arch_prctl(option, address) */
export function archPrctl(thread: ThreadBlock, frame: GateFrame): u32 {
  const option = frame.rdi as u32;
  if (option == ARCH_SHSTK_ENABLE) return refuseShadowStack(thread, frame);
  if (option != ARCH_SET_GS && option != ARCH_GET_GS) return passToKernel(frame);
  if (programOwnsGs || (option == ARCH_SET_GS && frame.rsi != 0)) return passWithGs(thread, frame);
  if (option == ARCH_SET_GS) return finish(thread, frame, 0);
  const buffer = frameBufferOf(thread);
  store<u64>(buffer, 0);
  return finish(thread, frame, tryCopyOut(frame.rsi, buffer, 8) != 0 ? -EFAULT : 0);
}

/** Functions of modify_ldt that write a descriptor: arch/x86/kernel/ldt.c. */
const LDT_WRITE_OLD: u32 = 1;
const LDT_WRITE: u32 = 0x11;

/** modify_ldt(function, pointer, size) */
export function modifyLdt(thread: ThreadBlock, frame: GateFrame): u32 {
  const operation = frame.rdi as u32;
  return operation == LDT_WRITE || operation == LDT_WRITE_OLD ? passWithGs(thread, frame) : passToKernel(frame);
}
