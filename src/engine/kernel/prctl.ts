// prctl: the options that prctl-options.txt names.

import { GateFrame, ThreadBlock } from "../thread/block";
import { setFilter } from "../seccomp/install";
import { setStrict } from "../seccomp/strict";
import { passToKernel } from "./call";
import { PR_SET_MDWE, setMdwe } from "./write-execute";
import { PR_SET_SYSCALL_USER_DISPATCH, userDispatch } from "./user-dispatch";

const PR_SET_SECCOMP: u32 = 22;
const SECCOMP_MODE_STRICT: u64 = 1;
const SECCOMP_MODE_FILTER: u64 = 2;

/** prctl(option, arguments...) */
export function prctl(thread: ThreadBlock, frame: GateFrame): u32 {
  const option = frame.rdi as u32;
  if (option == PR_SET_SECCOMP) {
    if (frame.rsi == SECCOMP_MODE_FILTER) return setFilter(thread, frame);
    if (frame.rsi == SECCOMP_MODE_STRICT) return setStrict(thread, frame);
  }
  if (option == PR_SET_MDWE) return setMdwe(thread, frame);
  if (option == PR_SET_SYSCALL_USER_DISPATCH) return userDispatch(thread, frame);
  return passToKernel(frame);
}
