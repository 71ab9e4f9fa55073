// What a hook cannot do ends the process: one line (what, which hook, where, at which call), and the status of Flicker's own
// failures.

import { EVENT_NAMES } from "../../abi/hook-table";
import { ASSERTION_STATUS } from "../assertion";
import { syscall1 } from "../kernel/calls";
import { SYS_EXIT_GROUP } from "../kernel/numbers";
import { ThreadBlock, execScratchOf } from "../thread/block";
import { Context } from "../thread/signal-frame";
import { STDERR, appendBytes, appendDecimal, appendHex, appendText, writeOut } from "../text";
import { mappingFile } from "../patch/mapping";
import { IN_AFTER_INSTRUCTION, IN_BEFORE, IN_EVENT, IN_INSTRUCTION, IN_MATCH } from "./call";
import { appendProcessString } from "./line";
import { currentCall } from "./record";
import { hookName, trapText } from "./table";

/** Where messages are put together: behind the line that a hook may be writing (line.ts). */
const LINE_OFFSET: usize = 0x1000;

/** `flicker: hook my.ts: `: gives the pointer behind it. */
export function beginFailure(thread: ThreadBlock): usize {
  let at = appendText(execScratchOf(thread) + LINE_OFFSET, "flicker: hook ");
  at = appendProcessString(at, hookName(thread.hook - 1));
  return appendText(at, ": ");
}

function appendCall(at: usize, thread: ThreadBlock): usize {
  const record = currentCall(thread);
  at = appendText(at, thread.hookPhase == IN_BEFORE ? ", in beforeCall" : ", in afterCall");
  at = appendText(at, " of system call ");
  at = appendDecimal(at, record.number);
  at = appendText(at, " at 0x");
  return appendHex(at, record.site);
}

function appendMatched(at: usize, thread: ThreadBlock): usize {
  at = appendText(at, ", in match of the instruction at 0x");
  at = appendHex(at, thread.hookPlace);
  at = appendText(at, " of ");
  return appendBytes(at, mappingFile());
}

/** Ends the message with the call or instruction at which it happened, and the process. */
export function endFailure(thread: ThreadBlock, end: usize): void {
  let at = end;
  if (thread.hookPhase == IN_MATCH) {
    at = appendMatched(at, thread);
  } else if (thread.hookPhase == IN_EVENT) {
    at = appendText(appendText(at, ", in "), EVENT_NAMES[thread.hookPlace as u32]);
  } else if (thread.hookPhase == IN_INSTRUCTION || thread.hookPhase == IN_AFTER_INSTRUCTION) {
    at = appendText(at, thread.hookPhase == IN_INSTRUCTION ? ", in before" : ", in after");
    at = appendHex(appendText(at, " of the instruction at 0x"), thread.site);
  } else at = appendCall(at, thread);
  at = appendText(at, ", thread ");
  at = appendDecimal(at, thread.tid);
  at = appendText(at, "\n");
  writeOut(STDERR, execScratchOf(thread) + LINE_OFFSET, at);
  syscall1(SYS_EXIT_GROUP, ASSERTION_STATUS as u64);
  unreachable();
}

/** A hook used the SDK where it may not. */
export function failHook(thread: ThreadBlock, what: string): void {
  endFailure(thread, appendText(beginFailure(thread), what));
}

/** A fault of the processor's: if a hook's code raised it, it is a trap of the hook's, and the end of the process. */
export function reportTrap(thread: ThreadBlock, context: Context): void {
  if (thread.hook == 0) return;
  const text = trapText(thread.hook - 1, context.rip);
  if (text == 0) return;
  endFailure(thread, appendProcessString(beginFailure(thread), text));
}
