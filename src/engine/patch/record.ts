// What the engine knows about each trampoline: found by its address (a thread was interrupted there), by the code it
// stands for (is this a patched site?), and by ranges of code (it is unmapped, or must look as it was).
//
//    0  address    u64   first byte in the process
//    8  original   u64   the site or victim that it stands for
//   16  bytes      u8[16] the original instruction, of `length` bytes
//   32  inPage     u32   next published record that starts in the same page, or next of the plan
//   36  ofCode     u32   next published record in the same bucket of code
//   40  companion  u32   while planned, for a STUB: its SITE; else 0. Once published, for an INSTRUCTION that is
//                        trapped: how often its trap was executed
//   44  cookie     u32   SITE: the caller's word for its cluster; INSTRUCTION: its hooks (patch/instruction-trampoline.ts)
//   48  size       u16   bytes at `address`
//   50  kind       u8
//   51  length     u8    of the original instruction, and of the filling behind it that its jump takes (patch/cluster.ts)
//   52  tactic     u8    SITE: how its jump was written
//   53  done       u8    VICTIM: offset after the relocated instruction
//   54  locked     u8    bytes of code from `original` on that are written, or that a pun or the trampoline's end depends on
//   55  entry      u8    SITE, VICTIM: ENTERED_BY_JUMP, ENTERED_BY_CALL or LEADS_TO_PREFIX
//
// Records are published when their plan is committed. All functions expect the caller to hold the engine lock; the
// signal gate takes it too before it asks `findTrampoline` (thread/lock.ts).

import { Address, copyIn, copyOut, tryCopyIn } from "../process";
import { Instruction, FLOW_LOOP } from "../x86/instruction";
import { decode } from "../x86/decode";
import { Pool, give, take } from "./arena";
import { JUMP_SIZE, isRelativeBranch, placeOf, tailSize } from "./relocate";
import { PAGE_SHIFT, SLOT_SIZE, Slot, firstRecord, freeRange, publishRange, setFirstRecord } from "./slot";
import { countSlots, dropPages, slotAt, slotOf } from "./territory";

/** The program's site goes on here: bytes written by the caller's `Emit`. */
export const SITE: u8 = 1;
/** An instruction that had to make room, and the jump back. */
export const VICTIM: u8 = 2;
/** A jump to a site's trampoline, where a pun has room for no more. */
export const STUB: u8 = 3;
/** The same inside the bytes of a victim of T3, in the program's code: not trampoline memory. */
export const RELAY: u8 = 4;

/** A site that is not a system call (patch/instruction-trampoline.ts). */
export const INSTRUCTION: u8 = 5;
/** A branch whose rel8 was changed: no trampoline (patch/skipped-prefix.ts). */
export const REDIRECTED: u8 = 6;
/** A trap at the first byte of what looks like a function in generated code (scan/reached.ts): no trampoline. */
export const ENTRY: u8 = 7;
/** A function of generated code that has run: nothing is written there. */
export const PROVEN: u8 = 8;

/** Cookie of a SITE that is proven among what looks like data (patch/proven.ts): its surroundings are not to be used. */
export const ALONE: usize = 1;

export const ENTERED_BY_JUMP: u8 = 0;
/** The trampoline is entered by a `call` in the site's place: the return address on the stack is the site's own. */
export const ENTERED_BY_CALL: u8 = 1;
/** By a jump; and the instruction, a branch, leads to the next one, whose prefix the original one jumps over (patch/skipped-prefix.ts). */
export const LEADS_TO_PREFIX: u8 = 2;

@unmanaged
export class Record {
  address: Address;
  original: Address;
  bytesLow: u64;
  bytesHigh: u64;
  inPage: usize;
  ofCode: usize;
  companion: usize;
  cookie: usize;
  size: u16;
  kind: u8;
  length: u8;
  tactic: u8;
  done: u8;
  locked: u8;
  entry: u8;
}

const pool = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

/** Engine pointer of the original instruction's bytes. */
export function originalBytes(record: Record): usize {
  return changetype<usize>(record) + offsetof<Record>("bytesLow");
}

export function createRecord(): usize {
  return take(pool, offsetof<Record>());
}

export function destroyRecord(record: Record): void {
  give(pool, changetype<usize>(record));
}

/** Whether the record's `original` is an instruction that a patch has replaced. */
function isPatched(record: Record): bool {
  const kind = record.kind;
  return kind == SITE || kind == INSTRUCTION || kind == VICTIM || kind == REDIRECTED || kind == ENTRY;
}

/** Whether the record has trampoline memory: what is in the program's code itself has none. */
export function hasTrampoline(record: Record): bool {
  return record.size != 0;
}

// ---- By code: a hash of 256-byte pieces, so that a range of code is a range of pieces

const PIECE_SHIFT: u64 = 8;
const BUCKETS: u32 = 16384;
const buckets = memory.data(65536, 8);

function bucketOf(piece: u64): usize {
  return buckets + ((((piece ^ (piece >> 14) ^ (piece >> 28)) as u32) & (BUCKETS - 1)) << 2);
}

/** Where in the program's code a record belongs: a relay is in the code itself. */
function codeOf(record: Record): Address {
  return record.kind == RELAY ? record.address : record.original;
}

/** A record that was detached is found by its code again. */
export function attach(record: Record): void {
  const bucket = bucketOf(codeOf(record) >> PIECE_SHIFT);
  record.ofCode = load<usize>(bucket);
  store<usize>(bucket, changetype<usize>(record));
}

/** Makes a record of a committed plan known. */
export function publish(record: Record): void {
  attach(record);
  if (!hasTrampoline(record)) return;
  const slot = slotOf(record.address)!;
  const offset = (record.address - slot.base) as u32;
  publishRange(slot, offset, record.size);
  record.inPage = firstRecord(slot, offset >> PAGE_SHIFT);
  setFirstRecord(slot, offset >> PAGE_SHIFT, changetype<usize>(record));
}

/** Takes a published record out of its page's list and frees its trampoline. */
function unpublish(record: Record): void {
  if (!hasTrampoline(record)) return;
  const slot = slotOf(record.address)!;
  const offset = (record.address - slot.base) as u32;
  const page = offset >> PAGE_SHIFT;
  let pointer = firstRecord(slot, page);
  if (pointer == changetype<usize>(record)) {
    setFirstRecord(slot, page, record.inPage);
  } else {
    while (changetype<Record>(pointer).inPage != changetype<usize>(record))
      pointer = changetype<Record>(pointer).inPage;
    changetype<Record>(pointer).inPage = record.inPage;
  }
  dropPages(slot, freeRange(slot, offset, record.size));
}

function findInPage(slot: Slot, page: u32, address: Address): usize {
  for (let pointer = firstRecord(slot, page); pointer != 0;) {
    const record = changetype<Record>(pointer);
    if (address >= record.address && address < record.address + (record.size as u64)) return pointer;
    pointer = record.inPage;
  }
  return 0;
}

/** The record of the trampoline, stub or relay that holds `address`, or 0. */
export function findTrampoline(address: Address): usize {
  const slot = slotOf(address);
  if (slot != null) {
    const page = ((address - slot.base) as u32) >> PAGE_SHIFT;
    const found = findInPage(slot, page, address);
    if (found != 0) return found;
    // A trampoline is no longer than a page and does not cross the slot's end.
    const earlier = page == 0 ? (0 as usize) : findInPage(slot, page - 1, address);
    if (earlier != 0) return earlier;
  }
  // A relay is one instruction: a thread is at its first byte or not in it.
  for (let pointer = load<usize>(bucketOf(address >> PIECE_SHIFT)); pointer != 0;) {
    const record = changetype<Record>(pointer);
    if (record.kind == RELAY && record.address == address) return pointer;
    pointer = record.ofCode;
  }
  return 0;
}

/** The record of a kind that stands for the instruction at `original`, or 0. */
function findByCode(original: Address, kind: u8): usize {
  for (let pointer = load<usize>(bucketOf(original >> PIECE_SHIFT)); pointer != 0;) {
    const record = changetype<Record>(pointer);
    if (record.original == original && record.kind == kind) return pointer;
    pointer = record.ofCode;
  }
  return 0;
}

/** The record of a site that is patched by a jump, or 0. */
export function findSite(site: Address): usize {
  return findByCode(site, SITE);
}

/** The record of an instruction that is a site, or 0. */
export function findInstruction(address: Address): usize {
  return findByCode(address, INSTRUCTION);
}

/** Whether a function is supposed to begin at an address (ENTRY). */
export function isEntry(address: Address): bool {
  return findByCode(address, ENTRY) != 0;
}

/** Whether one is known to. */
export function isProven(address: Address): bool {
  return findByCode(address, PROVEN) != 0;
}

/** The record of an evicted instruction, or 0. */
export function findVictim(address: Address): usize {
  return findByCode(address, VICTIM);
}

const translated = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Offset behind the relocated instruction and its `nop`, if it has one (patch/relocate.ts). */
export function tailEnd(record: Record): u32 {
  decode(originalBytes(record), record.length, changetype<usize>(translated));
  return (record.done as u32) + tailSize(translated);
}

/**
 * The program counter that the program would have where a thread was interrupted: in a victim's trampoline, a stub or a
 * relay. A site's own trampoline is its emitter's to explain: for its first byte this gives the site, else 0.
 */
export function translate(record: Record, rip: Address): Address {
  if (record.kind == STUB || record.kind == RELAY) return record.original;
  if (record.kind == VICTIM && record.entry == ENTERED_BY_CALL) {
    // The call is done.
    decode(originalBytes(record), record.length, changetype<usize>(translated));
    return placeOf(translated, originalBytes(record), record.original);
  }
  if (rip == record.address) return record.original;
  if (record.kind == SITE) return 0;
  const offset = (rip - record.address) as u32;
  if (offset == (record.done as u32) || offset == tailEnd(record)) return record.original + (record.length as u64);
  // Behind a loop there are two jumps: this one is for when it loops.
  assert(translated.flow == FLOW_LOOP, "interrupted in the middle of a relocated instruction");
  assert(offset == (record.done as u32) + JUMP_SIZE, "interrupted in the middle of a relocated loop");
  assert(isRelativeBranch(translated), "a loop is a relative branch");
  return placeOf(translated, originalBytes(record), record.original);
}

// ---- By ranges of code

/** What `forEachInRange` does with a record. */
type Visit = (record: Record, context: usize) => void;

function visitBucket(bucket: usize, start: Address, end: Address, visit: Visit, context: usize): void {
  for (let pointer = load<usize>(bucket); pointer != 0;) {
    const record = changetype<Record>(pointer);
    pointer = record.ofCode;
    const code = codeOf(record);
    if (code >= start && code < end) visit(record, context);
  }
}

/** Calls `visit` for each published record of code in [start, end), once. `visit` may remove the record it is given. */
function forEachInRange(start: Address, end: Address, visit: Visit, context: usize): void {
  if (start >= end) return;
  const first = start >> PIECE_SHIFT;
  const last = (end - 1) >> PIECE_SHIFT;
  if (last - first >= (BUCKETS as u64) >> 1) {
    for (let i: u32 = 0; i < BUCKETS; i++) visitBucket(buckets + (i << 2), start, end, visit, context);
    return;
  }
  for (let piece = first; piece <= last; piece++) {
    visitBucket(
      bucketOf(piece),
      max(start, piece << PIECE_SHIFT),
      min(end, (piece + 1) << PIECE_SHIFT),
      visit,
      context,
    );
  }
}

function removeFromBucket(record: Record): void {
  const bucket = bucketOf(codeOf(record) >> PIECE_SHIFT);
  let pointer = load<usize>(bucket);
  if (pointer == changetype<usize>(record)) {
    store<usize>(bucket, record.ofCode);
    return;
  }
  while (changetype<Record>(pointer).ofCode != changetype<usize>(record)) pointer = changetype<Record>(pointer).ofCode;
  changetype<Record>(pointer).ofCode = record.ofCode;
}

/** Frees a record that is found by its address alone, and its trampoline. */
export function destroyDetached(record: Record): void {
  unpublish(record);
  destroyRecord(record);
}

function forget(record: Record, _context: usize): void {
  removeFromBucket(record);
  destroyDetached(record);
}

/**
 * Drops all records of code in [start, end) and frees their trampolines for later plans. Touches nothing of the process:
 * the code is unmapped, or its original bytes are back in place. The caller knows that no thread is in these trampolines
 * or holds an address in them.
 */
export function forgetRange(start: Address, end: Address): void {
  forEachInRange(start, end, forget, 0);
}

let detached: usize = 0;

function detach(record: Record, _context: usize): void {
  removeFromBucket(record);
  record.ofCode = detached;
  detached = changetype<usize>(record);
}

/**
 * The records of code in [start, end) are not found by it any more, only by the addresses of their trampolines.
 * @returns the first of them, or 0: `nextDetached` gives the others
 */
export function detachRange(start: Address, end: Address): usize {
  detached = 0;
  forEachInRange(start, end, detach, 0);
  return detached;
}

export function nextDetached(record: Record): usize {
  return record.ofCode;
}

// Records whose code was changed while threads may have been in their trampolines: still found by address, not by code. Those
// that are `ripening` were retired before all threads were asked where they are (thread/quiescence.ts).
let retired: usize = 0;
let ripening: usize = 0;
let retiredCount: u32 = 0;

/** Retires a record that is found by its address alone. */
export function retireDetached(record: Record): void {
  if (!hasTrampoline(record)) return destroyRecord(record);
  record.ofCode = retired;
  retired = changetype<usize>(record);
  retiredCount += 1;
}

function retire(record: Record, _context: usize): void {
  removeFromBucket(record);
  retireDetached(record);
}

/** As `forgetRange`, where threads may be in the trampolines: those stay until they are released. */
export function retireRange(start: Address, end: Address): void {
  forEachInRange(start, end, retire, 0);
}

/** How many trampolines wait for their release. */
export function countRetired(): u32 {
  return retiredCount;
}

/** Whether some were retired before all threads were asked. */
export function isRipening(): bool {
  return ripening != 0;
}

/** All threads are about to be asked. */
export function beginRipening(): void {
  assert(ripening == 0, "retired trampolines ripen twice");
  ripening = retired;
  retired = 0;
}

/** Whether a thread that is at `rip`, or in the system call of the site at `site`, is or will be in a trampoline that ripens. */
export function isInRipening(rip: Address, site: Address): bool {
  for (let pointer = ripening; pointer != 0; pointer = changetype<Record>(pointer).ofCode) {
    const record = changetype<Record>(pointer);
    if (record.original == site || rip - record.address < (record.size as u64)) return true;
  }
  return false;
}

function findInList(first: usize, original: Address, tactic: u8): usize {
  for (let pointer = first; pointer != 0; pointer = changetype<Record>(pointer).ofCode) {
    const record = changetype<Record>(pointer);
    if (record.original == original && record.kind == INSTRUCTION && record.tactic == tactic) return pointer;
  }
  return 0;
}

/** A retired record of an instruction that was patched by a tactic, or 0. */
export function findRetired(original: Address, tactic: u8): usize {
  const found = findInList(retired, original, tactic);
  return found != 0 ? found : findInList(ripening, original, tactic);
}

function release(first: usize): void {
  for (let pointer = first; pointer != 0;) {
    const record = changetype<Record>(pointer);
    pointer = record.ofCode;
    unpublish(record);
    destroyRecord(record);
    retiredCount -= 1;
  }
}

/** Frees those that ripened. The caller knows that no thread is in them. */
export function releaseRipe(): void {
  release(ripening);
  ripening = 0;
}

/** Frees all that was retired. The caller knows that no thread is in a trampoline. */
export function releaseRetired(): void {
  releaseRipe();
  release(retired);
  retired = 0;
}

function writeOriginal(record: Record, _context: usize): void {
  if (!isPatched(record)) return;
  copyOut(record.original, originalBytes(record), record.length);
}

/** Writes the original bytes of all patched instructions in [start, end), which no patch crosses, into the process. */
export function writeOriginals(start: Address, end: Address): void {
  forEachInRange(start, end, writeOriginal, 0);
}

// Patched bytes, kept while something may put the original ones in their place: 16 bytes for each site and victim, in the
// order of visits.
let kept: usize = 0;
let isWhole: bool = true;

function countPatched(record: Record, context: usize): void {
  if (isPatched(record)) store<u32>(context, load<u32>(context) + 1);
}

/** How many instructions in [start, end) are patched. */
export function countPatchedIn(start: Address, end: Address): u32 {
  store<u32>(changetype<usize>(bounds), 0);
  forEachInRange(start, end, countPatched, changetype<usize>(bounds));
  return load<u32>(changetype<usize>(bounds));
}

function countAny(_record: Record, context: usize): void {
  store<u32>(context, load<u32>(context) + 1);
}

/** Whether anything in [start, end) has a record. */
export function hasRecords(start: Address, end: Address): bool {
  store<u32>(changetype<usize>(bounds), 0);
  forEachInRange(start, end, countAny, changetype<usize>(bounds));
  return load<u32>(changetype<usize>(bounds)) != 0;
}

/** The bytes that are written and those that a pun depends on. */
function keptSize(record: Record): usize {
  return max(record.length, record.locked);
}

function keep(record: Record, _context: usize): void {
  if (!isPatched(record)) return;
  assert(keptSize(record) <= 16, "a patch is longer than an instruction");
  copyIn(kept, record.original, keptSize(record));
  kept += 16;
}

/** Copies the patched bytes of [start, end) to `pointer`, which has 16 bytes for each of `countPatchedIn`. */
export function keepPatches(start: Address, end: Address, pointer: usize): void {
  kept = pointer;
  forEachInRange(start, end, keep, 0);
}

const seen = memory.data(16, 8);
const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

/**
 * Writes one form of an instruction over the other, page by page: of an instruction that lies on two pages, one part may have
 * been dropped. What is neither stays.
 */
function exchange(record: Record, expected: usize, replacement: usize): void {
  const length: u32 = record.length;
  let from: u32 = 0;
  while (from < length) {
    const at = record.original + (from as u64);
    const size = min(length - from, (PAGE_SIZE - (at & (PAGE_SIZE - 1))) as u32);
    if (tryCopyIn(seen, at, size) == 0 && memory.compare(seen, expected + from, size) == 0)
      copyOut(at, replacement + from, size);
    from += size;
  }
}

function putBack(record: Record, _context: usize): void {
  if (!isPatched(record)) return;
  exchange(record, originalBytes(record), kept);
  kept += 16;
}

function verify(record: Record, _context: usize): void {
  if (!isPatched(record)) return;
  const size = keptSize(record);
  if (tryCopyIn(seen, record.original, size) != 0 || memory.compare(seen, kept, size) != 0) isWhole = false;
  kept += 16;
}

/**
 * Puts the patched bytes back where the original ones are. False when there was something else: the patches are then to be
 * taken off.
 */
export function putPatchesBack(start: Address, end: Address, pointer: usize): bool {
  kept = pointer;
  isWhole = true;
  forEachInRange(start, end, putBack, 0);
  kept = pointer;
  forEachInRange(start, end, verify, 0);
  return isWhole;
}

function takeOff(record: Record, _context: usize): void {
  if (!isPatched(record)) return;
  exchange(record, kept, originalBytes(record));
  kept += 16;
}

/** Puts the original bytes back where the patched ones are, and leaves alone what is neither. */
export function takePatchesOff(start: Address, end: Address, pointer: usize): void {
  kept = pointer;
  forEachInRange(start, end, takeOff, 0);
}

function visitSite(record: Record, context: usize): void {
  if (record.kind == SITE && record.cookie != ALONE) call_indirect<void>(context as u32, record.original);
}

/** Calls `visit` for each site in [start, end) that is patched by a jump, and was not proven among data. */
export function forEachSite(start: Address, end: Address, visit: (site: Address) => void): void {
  forEachInRange(start, end, visitSite, visit.index as usize);
}

@unmanaged
class Copy {
  start: Address;
  end: Address;
  pointer: usize;
}

const copyOfCode = changetype<Copy>(memory.data(offsetof<Copy>(), 8));

function restore(record: Record, context: usize): void {
  if (!isPatched(record)) return;
  const copy = changetype<Copy>(context);
  for (let i: u32 = 0; i < (record.length as u32); i++) {
    const at = record.original + (i as u64);
    if (at < copy.start || at >= copy.end) continue;
    store<u8>(copy.pointer + ((at - copy.start) as usize), load<u8>(originalBytes(record) + i));
  }
}

/** Longest instruction, less one: how far before a range an instruction may begin that reaches into it. */
const OVERLAP: u64 = 14;

/** Puts the original bytes of all patched instructions back into a copy of the code at [start, start + size). */
export function restoreCopy(pointer: usize, start: Address, size: u32): void {
  copyOfCode.start = start;
  copyOfCode.end = start + (size as u64);
  copyOfCode.pointer = pointer;
  forEachInRange(start - OVERLAP, start + (size as u64), restore, changetype<usize>(copyOfCode));
}

function lockRecord(record: Record, context: usize): void {
  if (!isPatched(record)) return;
  const copy = changetype<Copy>(context);
  for (let i: u32 = 0; i < (record.locked as u32); i++) {
    const at = record.original + (i as u64);
    if (at >= copy.start && at < copy.end) store<u8>(copy.pointer + ((at - copy.start) as usize), 1);
  }
}

/**
 * Locks the bytes of [start, start + size) that earlier plans wrote or depend on: for a cluster in code that is patched
 * already. `locks` has a byte for each.
 */
export function carryLocks(locks: usize, start: Address, size: u32): void {
  copyOfCode.start = start;
  copyOfCode.end = start + (size as u64);
  copyOfCode.pointer = locks;
  forEachInRange(start - 32, start + (size as u64), lockRecord, changetype<usize>(copyOfCode));
}

@unmanaged
class Bounds {
  start: Address;
  end: Address;
  changed: u32;
}

const bounds = changetype<Bounds>(memory.data(offsetof<Bounds>(), 8));

function widen(record: Record, context: usize): void {
  const range = changetype<Bounds>(context);
  if (record.kind == ENTRY || record.kind == PROVEN) return;
  const recordStart = min(record.original, codeOf(record));
  // A relay holds its site's short jump and its own jump together.
  const recordEnd = max(record.original + (max(record.locked, record.length) as u64), codeOf(record) + JUMP_SIZE);
  if (recordStart >= range.end || recordEnd <= range.start) return;
  if (recordStart < range.start) {
    range.start = recordStart;
    range.changed = 1;
  }
  if (recordEnd > range.end) {
    range.end = recordEnd;
    range.changed = 1;
  }
}

/** How far a patch's bytes may be from its site: a short jump and a victim. */
const PATCH_SPREAD: u64 = 160;

/**
 * Widens a range of code so that no patch is partly inside: puns and short jumps cross any border. A range whose original
 * bytes are put back, or that goes away, is widened first. `range` is two u64, start and end.
 */
export function widenToPatches(range: usize): void {
  bounds.start = load<u64>(range);
  bounds.end = load<u64>(range, 8);
  do {
    bounds.changed = 0;
    forEachInRange(bounds.start - PATCH_SPREAD, bounds.end + PATCH_SPREAD, widen, changetype<usize>(bounds));
  } while (bounds.changed != 0);
  store<u64>(range, bounds.start);
  store<u64>(range, bounds.end, 8);
}

/** Calls `visit` for each published record that has trampoline memory, in order of slots and pages. */
export function forEachTrampoline(visit: (record: Record) => void): void {
  for (let index: u32 = 0; index < countSlots(); index++) {
    for (let page: u32 = 0; page < SLOT_SIZE >> PAGE_SHIFT; page++) {
      for (let pointer = firstRecord(slotAt(index), page); pointer != 0; pointer = changetype<Record>(pointer).inPage) {
        visit(changetype<Record>(pointer));
      }
    }
  }
}

/** Number of published records of a kind. For reports and tests. */
export function countRecords(kind: u8): u32 {
  let count: u32 = 0;
  for (let index: u32 = 0; index < countSlots(); index++) {
    for (let page: u32 = 0; page < SLOT_SIZE >> PAGE_SHIFT; page++) {
      for (let pointer = firstRecord(slotAt(index), page); pointer != 0; pointer = changetype<Record>(pointer).inPage) {
        if (changetype<Record>(pointer).kind == kind) count += 1;
      }
    }
  }
  return count;
}

/** Most that `findHottest` names. */
export const HOTTEST_MAX: u32 = 10;
const hottest = memory.data(48, 8);
let hottestCount: u32 = 0;

function insertByHeat(record: Record): void {
  if (record.kind != INSTRUCTION || record.companion == 0) return;
  let place = hottestCount;
  while (place > 0 && hottestAt(place - 1).companion < record.companion) place--;
  if (place == HOTTEST_MAX) return;
  const moved = min(hottestCount, HOTTEST_MAX - 1) - place;
  memory.copy(hottest + ((place + 1) << 2), hottest + (place << 2), moved << 2);
  store<u32>(hottest + (place << 2), changetype<usize>(record) as u32);
  hottestCount = min(hottestCount + 1, HOTTEST_MAX);
}

/** Finds the trapped instructions that were executed most; gives how many there are. */
export function findHottest(): u32 {
  hottestCount = 0;
  forEachTrampoline(insertByHeat);
  return hottestCount;
}

export function hottestAt(index: u32): Record {
  return changetype<Record>(load<u32>(hottest + (index << 2)));
}
