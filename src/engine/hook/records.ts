// Records that hooks write into the ring (../ring/ring.ts): imports of the module "flicker", like those of api.ts.
//
// A hook says what goes into a record piece by piece. The pieces are kept in memory of the thread's own, 16 bytes each, until
// the hook ends the record: its size is known then, room for it is reserved, and everything is copied straight into the ring.
// What cannot be read any more by then is left out, so a piece of the program's memory says how much of it there is:
//
//   value    8 bytes
//   bytes    of the hook's memory, and zeros up to a multiple of 8
//   memory   an address, how many bytes follow, the hook's mark (u64, u32, u32), and the bytes up to a multiple of 8
//   path     the same of what /proc/thread-self/fd says of a descriptor: its number in place of the address
//
// A record of a call has the head of an event in front (src/abi/trace-event.ts), whose ranges are memory and paths.

import {
  RECORD_CONTENT,
  RECORD_CONTENT_SIZE,
  RECORD_HOOK,
  RECORD_KIND,
  RECORD_PROCESS,
  RECORD_TIME,
  RING_PARAMETERS,
  RING_PARAMETERS_SIZE,
  RING_SUM_COUNT,
} from "../../abi/ring";
import {
  EVENT_ARGUMENTS,
  EVENT_END,
  EVENT_HEADER_SIZE,
  EVENT_KIND,
  EVENT_NOTE,
  EVENT_NUMBER,
  EVENT_PROCESS,
  EVENT_RANGES,
  EVENT_RESULT,
  EVENT_SIZE,
  EVENT_START,
  EVENT_THREAD,
  RANGE_HEADER_SIZE,
  RANGE_PATH,
  RANGE_SIZE,
} from "../../abi/trace-event";
import { Address, copyIn, copyOut, peek64, poke16, poke32, poke64, poke8, tryCopyIn } from "../process";
import { addToSum, canRecord, commitRecord, recordSize, recordTime, reserveRecord, ring } from "../ring/ring";
import { runningThread } from "../thread/areas";
import { ThreadBlock, execScratchOf, gateFrameOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { IN_AFTER, NO_RECORD } from "./call";
import { failHook } from "./failure";
import { CHUNK, isForeign, ownRange } from "./memory";
import { pathOfDescriptor, stringSize } from "./paths";
import { CallRecord, currentCall, markPlace } from "./record";

/** ThreadBlock.recordForm, besides NO_RECORD. */
const PLAIN: u32 = 1;
const OF_CALL: u32 = 2;

/** Where pieces are in the thread's exec scratch: behind the hook's line. */
const PIECES_OFFSET: usize = 0x1000;
const PIECES_MAX: u32 = 1024;
/** More than this is no record but a file. */
const SIZE_MAX: u64 = 0x400000;

@unmanaged
class Piece {
  /** Of memory; a value; a pointer of the hook's; a descriptor. */
  address: u64;
  size: u32;
  /** What the piece is, and above it the hook's mark. */
  kind: u32;
}
const VALUE: u32 = 0;
const BYTES: u32 = 1;
const MEMORY: u32 = 2;
const PATH: u32 = 3;
const KIND_MASK: u32 = 3;
const MARK_SHIFT: u32 = 2;

function pieceAt(thread: ThreadBlock, index: u32): Piece {
  return changetype<Piece>(execScratchOf(thread) + PIECES_OFFSET + ((index as usize) << 4));
}

function aligned(size: u64): u64 {
  return (size + 7) & ~(7 as u64);
}

function begin(thread: ThreadBlock, form: u32, kind: u32): u32 {
  thread.recordForm = NO_RECORD;
  // Its pieces take the place of the path.
  thread.pathSize = 0;
  if (!canRecord(thread)) return 0;
  thread.recordTime = recordTime(frameBufferOf(thread));
  thread.recordForm = form;
  thread.recordKind = kind;
  thread.recordPieces = 0;
  thread.recordSize = RECORD_CONTENT + (form == OF_CALL ? EVENT_HEADER_SIZE : 0);
  return 1;
}

/** Begins a record of the hook's own; gives 0 when nobody reads records: what is said of it is then ignored. */
export function hookRecord(kind: u32): u32 {
  return begin(runningThread(), PLAIN, kind);
}

/** Begins a record of the call that the hook is called for. */
export function hookRecordCall(kind: u32): u32 {
  return begin(runningThread(), OF_CALL, kind);
}

/** Adds a piece of `size` bytes, which take `room` in the record, if there is room for it. */
function add(thread: ThreadBlock, kind: u32, address: u64, size: u32, room: u64): void {
  if (thread.recordForm == NO_RECORD || thread.recordPieces == PIECES_MAX) return;
  if ((thread.recordSize as u64) + room > SIZE_MAX) return;
  const piece = pieceAt(thread, thread.recordPieces);
  piece.address = address;
  piece.size = size;
  piece.kind = kind;
  thread.recordPieces += 1;
  thread.recordSize += room as u32;
}

export function hookRecordValue(value: u64): void {
  add(runningThread(), VALUE, value, 8, 8);
}

export function hookRecordBytes(pointer: u32, size: u32): void {
  const thread = runningThread();
  ownRange(thread, pointer, size);
  add(thread, BYTES, pointer, size, aligned(size));
}

function addMemory(thread: ThreadBlock, address: Address, size: u32, mark: u32): void {
  if (size == 0 || !isForeign(thread, address, size as u64)) return;
  add(thread, MEMORY | (mark << MARK_SHIFT), address, size, aligned(size) + RANGE_HEADER_SIZE);
}

export function hookRecordMemory(address: Address, size: u32, mark: u32): void {
  const thread = runningThread();
  if (thread.recordForm != NO_RECORD) addMemory(thread, address, min<u32>(size, SIZE_MAX as u32), mark);
}

/** A string of the program's with its zero; `most` bytes of it. */
export function hookRecordString(address: Address, most: u32, mark: u32): void {
  const thread = runningThread();
  if (thread.recordForm == NO_RECORD) return;
  addMemory(thread, address, stringSize(frameBufferOf(thread), address, most), mark);
}

/** What a descriptor is called. */
export function hookRecordPath(descriptor: u32): void {
  const thread = runningThread();
  if (thread.recordForm == NO_RECORD) return;
  const size = pathOfDescriptor(frameBufferOf(thread), descriptor);
  if (size != 0) add(thread, PATH, descriptor, size, aligned(size) + RANGE_HEADER_SIZE);
}

/** 8 bytes of what the host tells hooks. */
export function hookParameter(offset: u32): u64 {
  if (offset > (RING_PARAMETERS_SIZE as u32) - 8) failHook(runningThread(), "a parameter behind the last is asked for");
  return ring == 0 ? 0 : peek64(ring + RING_PARAMETERS + (offset as u64));
}

/** Adds to a sum of the whole tree that the host reads; gives what it was. */
export function hookSum(index: u32, value: u64): u64 {
  const thread = runningThread();
  if (index >= (RING_SUM_COUNT as u32)) failHook(thread, "a sum behind the last is asked for");
  return addToSum(thread, index, value);
}

/** Copies the program's memory into the ring; gives how many bytes there were. */
function copyMemory(thread: ThreadBlock, to: Address, from: Address, size: u32): u32 {
  const buffer = frameBufferOf(thread);
  let done: u32 = 0;
  while (done < size) {
    const step = min(size - done, CHUNK);
    const copied = step - (tryCopyIn(buffer, from + (done as u64), step) as u32);
    copyOut(to + (done as u64), buffer, copied);
    done += copied;
    if (copied != step) break;
  }
  return done;
}

/** Writes one piece; gives the address behind it. */
function writePiece(thread: ThreadBlock, piece: Piece, at: Address): Address {
  const kind = piece.kind & KIND_MASK;
  const buffer = frameBufferOf(thread);
  let start = at;
  let size = piece.size;
  if (kind == VALUE) {
    poke64(at, piece.address);
    return at + 8;
  }
  if (kind == BYTES) {
    const from = ownRange(thread, piece.address as u32, size);
    for (let done: u32 = 0; done < size; done += CHUNK) {
      const step = min(size - done, CHUNK);
      copyIn(buffer, from + (done as u64), step);
      copyOut(at + (done as u64), buffer, step);
    }
  } else {
    start = at + RANGE_HEADER_SIZE;
    if (kind == MEMORY) size = copyMemory(thread, start, piece.address, size);
    else {
      size = min(size, pathOfDescriptor(buffer, piece.address as u32));
      copyOut(start, buffer, size);
    }
    if (size == 0) return at;
    poke64(at, piece.address);
    poke64(at + RANGE_SIZE, (size as u64) | (((kind == PATH ? RANGE_PATH : piece.kind >> MARK_SHIFT) as u64) << 32));
  }
  const end = start + aligned(size);
  for (let byte = start + (size as u64); byte < end; byte++) poke8(byte, 0);
  return end;
}

/** The head of a call's record (src/abi/trace-event.ts), put together in the buffer. */
function writeHead(thread: ThreadBlock, at: Address): void {
  const head = frameBufferOf(thread);
  const record = currentCall(thread);
  memory.fill(head, 0, EVENT_HEADER_SIZE);
  store<u8>(head, thread.recordKind as u8, EVENT_KIND);
  store<u32>(head, thread.pid, EVENT_PROCESS);
  store<u32>(head, thread.tid, EVENT_THREAD);
  store<u32>(head, record.number as u32, EVENT_NUMBER);
  store<u64>(head, thread.recordTime, EVENT_START);
  store<u64>(head, thread.recordTime, EVENT_END);
  if (thread.hookPhase == IN_AFTER) store<u64>(head, gateFrameOf(thread).rax, EVENT_RESULT);
  const first = changetype<usize>(record) + offsetof<CallRecord>("argument0");
  memory.copy(head + EVENT_ARGUMENTS, first, 48);
  store<u64>(head, load<u64>(markPlace(record, thread.hook - 1)), EVENT_NOTE);
  copyOut(at, head, EVENT_HEADER_SIZE);
}

/** Ends the record: it is in the ring, or, with 0, lost. */
export function hookRecordEnd(): u32 {
  const thread = runningThread();
  const form = thread.recordForm;
  if (form == NO_RECORD) return 0;
  thread.recordForm = NO_RECORD;
  const size = recordSize(thread.recordSize);
  const record = reserveRecord(thread, size);
  if (record == 0) return 0;
  const content = record + RECORD_CONTENT;
  let at = content;
  if (form == OF_CALL) {
    writeHead(thread, content);
    at += EVENT_HEADER_SIZE;
  }
  let ranges: u32 = 0;
  for (let i: u32 = 0; i < thread.recordPieces; i++) {
    const piece = pieceAt(thread, i);
    const end = writePiece(thread, piece, at);
    if (end != at && (piece.kind & KIND_MASK) >= MEMORY) ranges++;
    at = end;
  }
  if (form == OF_CALL) {
    poke32(content + EVENT_SIZE, (at - content) as u32);
    poke16(content + EVENT_RANGES, ranges);
  }
  poke32(record + RECORD_PROCESS, thread.pid);
  poke32(record + RECORD_KIND, thread.recordKind);
  poke32(record + RECORD_HOOK, thread.hook);
  poke32(record + RECORD_CONTENT_SIZE, (at - content) as u32);
  poke64(record + RECORD_TIME, thread.recordTime);
  commitRecord(record, size);
  return 1;
}
