// PR_SET_MDWE (Linux 6.3): from then on the kernel refuses to make memory executable that was not, as the engine must to
// patch what it has mapped (invariant I5). So what is mapped later runs as it is, and so does a program that is executed
// where the setting is inherited.
//
// Documentation: PR_SET_MDWE(2const); map_deny_write_exec of include/linux/mman.h.

import { GateFrame, ThreadBlock } from "../thread/block";
import { programSyscall } from "../process";
import { finish } from "./call";
import { isError } from "./calls";

export const PR_SET_MDWE: u32 = 65;
const PR_MDWE_REFUSE_EXEC_GAIN: u64 = 1;
const PR_MDWE_NO_INHERIT: u64 = 2;

/** Whether this memory can gain no executable pages by mprotect. */
export let refusesExecution: bool = false;
/** Whether the next program cannot either. */
export let refusesInNextProgram: bool = false;

/** prctl(PR_SET_MDWE, flags, 0, 0, 0) */
export function setMdwe(thread: ThreadBlock, frame: GateFrame): u32 {
  const result = programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  if (!isError(result)) {
    refusesExecution = (frame.rsi & PR_MDWE_REFUSE_EXEC_GAIN) != 0;
    refusesInNextProgram = refusesExecution && (frame.rsi & PR_MDWE_NO_INHERIT) == 0;
  }
  return finish(thread, frame, result);
}
