// What the engine itself writes into the ring for whoever traces (RING_EVENTS): events without a call, in the form of
// src/abi/trace-event.ts, as hooks write them of calls.

import {
  RECORD_CONTENT,
  RECORD_CONTENT_SIZE,
  RECORD_HOOK,
  RECORD_KIND,
  RECORD_PROCESS,
  RECORD_TIME,
} from "../../abi/ring";
import {
  EVENT_END,
  EVENT_EXITED,
  EVENT_HEADER_SIZE,
  EVENT_KIND,
  EVENT_LEAVE,
  EVENT_NUMBER,
  EVENT_PROCESS,
  EVENT_RANGES,
  EVENT_RESULT,
  EVENT_SIGNAL,
  EVENT_SIZE,
  EVENT_START,
  EVENT_STARTED,
  EVENT_THREAD,
  RANGE_EXIT,
  RANGE_HEADER_SIZE,
  RANGE_SIZE,
  RANGE_WHEN,
} from "../../abi/trace-event";
import { isHooked } from "../hook/table";
import { SYS_RT_SIGRETURN } from "../kernel/numbers";
import { copyOut, poke32, poke64 } from "../process";
import { ThreadBlock, execScratchOf } from "../thread/block";
import { SIGINFO_SIZE } from "../thread/signal-frame";
import { commitRecord, recordSize, recordTime, recordsEvents, reserveRecord } from "./ring";

/** The event is put together in the thread's exec scratch, where pieces of a hook's record are else. */
const EVENT_OFFSET: usize = 0x1000;

function begin(thread: ThreadBlock, kind: u32, number: u32, result: u64): usize {
  const event = execScratchOf(thread) + EVENT_OFFSET;
  const time = recordTime(event);
  memory.fill(event, 0, EVENT_HEADER_SIZE + RANGE_HEADER_SIZE);
  store<u32>(event, EVENT_HEADER_SIZE, EVENT_SIZE);
  store<u8>(event, kind as u8, EVENT_KIND);
  store<u32>(event, thread.pid, EVENT_PROCESS);
  store<u32>(event, thread.tid, EVENT_THREAD);
  store<u32>(event, number, EVENT_NUMBER);
  store<u64>(event, time, EVENT_START);
  store<u64>(event, time, EVENT_END);
  store<u64>(event, result, EVENT_RESULT);
  return event;
}

function write(thread: ThreadBlock, event: usize): void {
  const contentSize = load<u32>(event, EVENT_SIZE);
  const size = recordSize((RECORD_CONTENT as u64) + (contentSize as u64));
  const record = reserveRecord(thread, size);
  if (record == 0) return;
  copyOut(record + RECORD_CONTENT, event, contentSize);
  poke32(record + RECORD_PROCESS, thread.pid);
  poke32(record + RECORD_KIND, load<u8>(event, EVENT_KIND));
  poke32(record + RECORD_HOOK, 0);
  poke32(record + RECORD_CONTENT_SIZE, contentSize);
  poke64(record + RECORD_TIME, load<u64>(event, EVENT_START));
  commitRecord(record, size);
}

/** A process has begun: `thread` is the one that made it. */
export function recordStart(thread: ThreadBlock, process: u32): void {
  if (recordsEvents(thread)) write(thread, begin(thread, EVENT_STARTED, process, 0));
}

/** The thread ends by itself; `isGroup` when all of its process do. */
export function recordExit(thread: ThreadBlock, status: u32, isGroup: bool): void {
  if (recordsEvents(thread)) write(thread, begin(thread, EVENT_EXITED, status & 255, isGroup ? 1 : 0));
}

/** A signal is delivered to the program, or ends it. `info` is its siginfo. */
export function recordSignal(thread: ThreadBlock, signal: u32, info: usize): void {
  if (!recordsEvents(thread)) return;
  const event = begin(thread, EVENT_SIGNAL, signal, 0);
  const range = event + EVENT_HEADER_SIZE;
  store<u32>(event, EVENT_HEADER_SIZE + RANGE_HEADER_SIZE + (SIGINFO_SIZE as u32), EVENT_SIZE);
  store<u16>(event, 1, EVENT_RANGES);
  store<u32>(range, SIGINFO_SIZE as u32, RANGE_SIZE);
  store<u32>(range, RANGE_EXIT, RANGE_WHEN);
  memory.copy(range + RANGE_HEADER_SIZE, info, SIGINFO_SIZE);
  write(thread, event);
}

/** The program's rt_sigreturn leads to a state with this rax: no hook sees its end. */
export function recordReturn(thread: ThreadBlock, rax: u64): void {
  if (recordsEvents(thread) && isHooked(SYS_RT_SIGRETURN))
    write(thread, begin(thread, EVENT_LEAVE, SYS_RT_SIGRETURN, rax));
}
