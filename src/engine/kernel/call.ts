// One system call of the program's that the engine looks at: how a handler says what becomes of it.

import { gateNative } from "../gates";
import { GateFrame, ThreadBlock } from "../thread/block";

/** What an entry point of the engine asks its gate for: src/backend/gates compares eax with these. */
export const LEAVE: u32 = 0;
export const ENTER_RETURN_FRAME: u32 = 1;
export const EXIT_THREAD: u32 = 2;

/** The engine has answered: the program goes on after the site, rcx and r11 as the kernel leaves them. */
export function finish(thread: ThreadBlock, frame: GateFrame, result: i64): u32 {
  frame.rax = result as u64;
  frame.target = thread.after;
  frame.r11 = frame.flags;
  return LEAVE;
}

/** The kernel answers, with the program's registers as they are. */
export function passToKernel(frame: GateFrame): u32 {
  frame.target = gateNative();
  return LEAVE;
}

/**
 * A deferred signal must be delivered as if it had come before the call. Nothing of the call may have happened; it is
 * made again when the handler returns. Only with a deferred signal: the way out then goes through the return frame.
 */
export function undo(thread: ThreadBlock, frame: GateFrame): u32 {
  assert(thread.deferred != 0, "a call is undone without a reason");
  frame.target = thread.site;
  return LEAVE;
}
