// prctl: the options that prctl-options.txt names.

import { GateFrame, ThreadBlock } from "../thread/block";
import { passToKernel } from "./call";
import { PR_SET_SYSCALL_USER_DISPATCH, userDispatch } from "./user-dispatch";

/** prctl(option, arguments...) */
export function prctl(thread: ThreadBlock, frame: GateFrame): u32 {
  if ((frame.rdi as u32) == PR_SET_SYSCALL_USER_DISPATCH) return userDispatch(thread, frame);
  return passToKernel(frame);
}
