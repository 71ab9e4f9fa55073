// arch_prctl: gs base is the engine's way to its thread block (invariant I2), and the program's is virtual.
//
// The options are those of arch/x86/include/uapi/asm/prctl.h. A program whose gs base is 0, as it is natively at the
// start, can read it and set it to 0. A program that really uses gs (issue 4) is stopped with a line that says so,
// rather than left to run wrong.

import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { STDERR, appendText, writeOut } from "../text";
import { ASSERTION_STATUS } from "../assertion";
import { tryCopyOut } from "../process";
import { finish, passToKernel } from "./call";
import { syscall1 } from "./calls";
import { EFAULT } from "./errno";
import { SYS_EXIT_GROUP } from "./numbers";

const ARCH_SET_GS: u32 = 0x1001;
const ARCH_GET_GS: u32 = 0x1004;

/** arch_prctl(option, address) */
export function archPrctl(thread: ThreadBlock, frame: GateFrame): u32 {
  const option = frame.rdi as u32;
  const buffer = frameBufferOf(thread);
  if (option == ARCH_GET_GS) {
    store<u64>(buffer, 0);
    return finish(thread, frame, tryCopyOut(frame.rsi, buffer, 8) != 0 ? -EFAULT : 0);
  }
  if (option != ARCH_SET_GS) return passToKernel(frame);
  if (frame.rsi == 0) return finish(thread, frame, 0);
  writeOut(STDERR, buffer, appendText(buffer, "flicker: the program sets gs base, which is not supported yet\n"));
  syscall1(SYS_EXIT_GROUP, ASSERTION_STATUS as u64);
  unreachable();
  return 0;
}
