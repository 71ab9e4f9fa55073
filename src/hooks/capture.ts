// Records of a call for whoever shows it: one when it is entered, and one when it returns, with the memory that the capture plan of
// the call names (src/abi/capture.ts). What that is, is in the ring's parameters (src/abi/trace-parameters.ts), so there is
// nothing of its own here: no table, no variable, and any number of threads in it at once.

import { SystemCall, peek32, peek64, ring } from "flicker/hook";
import {
  AT_ENTRY,
  AT_EXIT,
  AT_FAILURE,
  CAPTURE_COUNTED,
  CAPTURE_INDIRECT,
  CAPTURE_IOCTL,
  CAPTURE_MESSAGE,
  CAPTURE_MESSAGES,
  CAPTURE_RETURNED,
  CAPTURE_STRING,
  CAPTURE_STRINGS,
  CAPTURE_VECTOR,
  ELEMENTS_LIMIT,
  TEXT_LIMIT,
} from "../abi/capture";
import { EVENT_ENTER, EVENT_LEAVE, RANGE_ENTRY, RANGE_EXIT } from "../abi/trace-event";
import {
  TRACE_CALLS,
  TRACE_CALL_COUNT_SHIFT,
  TRACE_CALL_PATHS_SHIFT,
  TRACE_STEPS,
  TRACE_TEXT_LIMIT,
} from "../abi/trace-parameters";

const ARGUMENTS: u32 = 6;

function addVector(address: u64, count: u64, limit: u64, mark: u32): void {
  const elements = min<u64>(count, ELEMENTS_LIMIT);
  ring.memory(address, (elements * 16) as u32, mark);
  for (let i: u64 = 0; i < elements; i++)
    ring.memory(peek64(address + i * 16), min<u64>(peek64(address + i * 16 + 8), limit) as u32, mark);
}

/** struct msghdr: name, namelen, iov, iovlen, control, controllen, flags; of an mmsghdr, the size behind it. */
function addMessage(address: u64, limit: u64, mark: u32): void {
  ring.memory(address, 64, mark);
  ring.memory(peek64(address), min<u32>(peek32(address + 8), 128), mark);
  addVector(peek64(address + 16), peek64(address + 24), limit, mark);
  ring.memory(peek64(address + 32), min<u64>(peek64(address + 40), 4096) as u32, mark);
}

function addStrings(address: u64, limit: u64, mark: u32): void {
  let count: u32 = 0;
  while (count < (ELEMENTS_LIMIT as u32) && peek64(address + ((count as u64) << 3)) != 0) count++;
  ring.memory(address, (count + 1) << 3, mark);
  for (let i: u32 = 0; i < count; i++) ring.string(peek64(address + ((i as u64) << 3)), limit as u32, mark);
}

/** One step: its fields are bytes and halves of a word. */
function addStep(call: SystemCall, step: u64, mark: u32, result: u64): void {
  const kind = (step & 255) as u32;
  const address = call.argument(((step >> 8) & 255) as u32);
  if (address == 0) return;
  const lengthArgument = ((step >> 24) & 255) as u32;
  const length = lengthArgument < ARGUMENTS ? call.argument(lengthArgument) : 0;
  const unit = (step >> 32) & 0xffff;
  const given = step >> 48;
  const limit = given == TEXT_LIMIT ? ring.parameter(TRACE_TEXT_LIMIT) : given;
  let size = unit;
  if (kind == CAPTURE_STRING) {
    ring.string(address, limit as u32, mark);
    return;
  }
  if (kind == CAPTURE_STRINGS) return addStrings(address, limit, mark);
  if (kind == CAPTURE_VECTOR) return addVector(address, length, limit, mark);
  if (kind == CAPTURE_MESSAGE) return addMessage(address, limit, mark);
  if (kind == CAPTURE_MESSAGES) {
    const count = min<u64>(length & 0xffffffff, ELEMENTS_LIMIT);
    for (let i: u64 = 0; i < count; i++) addMessage(address + i * 64, limit, mark);
    return;
  }
  if (kind == CAPTURE_COUNTED) size = length * unit;
  else if (kind == CAPTURE_RETURNED) {
    size = result * unit;
    if (lengthArgument < ARGUMENTS && length * unit < size) size = length * unit;
  } else if (kind == CAPTURE_INDIRECT) size = (peek32(length) as u64) * unit;
  else if (kind == CAPTURE_IOCTL && ((length >> 16) & 0x3fff) != 0) size = (length >> 16) & 0x3fff;
  ring.memory(address, min<u64>(size, limit) as u32, mark);
}

function addSteps(call: SystemCall, about: u64, when: u32, mark: u32, result: u64): void {
  const first = (about & 0xffff) as u32;
  const count = ((about >> TRACE_CALL_COUNT_SHIFT) & 255) as u32;
  for (let i: u32 = 0; i < count; i++) {
    const step = ring.parameter(TRACE_STEPS + ((first + i) << 3));
    if ((((step >> 16) & 255) as u32) == when) addStep(call, step, mark, result);
  }
}

/** What the parameters say of a call. */
export function aboutCall(number: u64): u64 {
  return ring.parameter(TRACE_CALLS + ((number as u32) << 3));
}

/** The call is entered. */
export function recordEntry(call: SystemCall): void {
  const about = aboutCall(call.number);
  if (!ring.beginCall(EVENT_ENTER)) return;
  addSteps(call, about, AT_ENTRY, RANGE_ENTRY, 0);
  const paths = (about >> TRACE_CALL_PATHS_SHIFT) as u32;
  for (let i: u32 = 0; i < ARGUMENTS && paths >> i != 0; i++) if ((paths >> i) & 1) ring.path(call.argument(i) as u32);
  ring.end();
}

/** It has returned. */
export function recordExit(call: SystemCall): void {
  const about = aboutCall(call.number);
  if (!ring.beginCall(EVENT_LEAVE)) return;
  const failed = call.failed;
  addSteps(call, about, failed ? AT_FAILURE : AT_EXIT, RANGE_EXIT, call.result as u64);
  if (!failed && ((about >> (TRACE_CALL_PATHS_SHIFT + ARGUMENTS)) & 1) != 0) ring.path(call.result as u32);
  ring.end();
}
