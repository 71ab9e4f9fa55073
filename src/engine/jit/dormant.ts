// Patches of pages that were written: what a page was with them and without, until it runs again. Most writes change little of a
// page (an inline cache, one more function), and what they leave alone need not be planned anew.
//
// A page's patches come back as far as nothing has changed that they lie on or depend on, and the search finds the same sites
// there as before. Patches lean on each other: a jump is punned into another's bytes, a trampoline leads into another. One that
// goes takes along those whose bytes it touches, as `widenToPatches` does (patch/record.ts).
//
// Records of dormant patches are found by trampoline, as a thread may be in one, and not by code.
//
// All functions expect the caller to hold the engine lock.

import { Pool, give, take } from "../patch/arena";
import {
  INSTRUCTION,
  PROVEN,
  RELAY,
  Record,
  attach,
  destroyDetached,
  detachRange,
  nextDetached,
  retireDetached,
} from "../patch/record";
import { JUMP_SIZE } from "../patch/relocate";
import { Address } from "../process";
import { PAGE_SIZE } from "./pages";

const PAGE_BYTES: u32 = 4096;

/** Behind it lie the page as the program had it, and as it was with its patches. */
@unmanaged
class Dormant {
  page: Address;
  /** Detached records, one behind the other. */
  records: usize;
  padding: u32;
}

const DORMANT_SIZE: usize = offsetof<Dormant>() + 2 * (PAGE_BYTES as usize);
const pool = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

/** By a hash of the page: a page that loses its place has its patches planned anew. */
const PLACES: u64 = 256;
const places = memory.data(1024, 4);

function placeOf(page: Address): usize {
  return places + (((((page >> 12) ^ (page >> 20)) & (PLACES - 1)) as usize) << 2);
}

function programImage(dormant: usize): usize {
  return dormant + offsetof<Dormant>();
}
function patchedImage(dormant: usize): usize {
  return programImage(dormant) + PAGE_BYTES;
}

/** The place of a page's dormant patches, or 0. */
function find(page: Address): usize {
  const dormant = load<usize>(placeOf(page));
  return dormant != 0 && changetype<Dormant>(dormant).page == page ? dormant : 0;
}

/** Whether it is known what a page was when it ran last. */
export function isDormant(page: Address): bool {
  return find(page) != 0;
}

/** Drops what is in a place. @param mayBeInside whether a thread may be in the trampolines */
function drop(place: usize, mayBeInside: bool): void {
  const dormant = load<usize>(place);
  if (dormant == 0) return;
  for (let pointer = changetype<Dormant>(dormant).records; pointer != 0;) {
    const record = changetype<Record>(pointer);
    pointer = nextDetached(record);
    if (mayBeInside) retireDetached(record);
    else destroyDetached(record);
  }
  give(pool, dormant);
  store<usize>(place, 0);
}

/** Keeps a page that is about to be written as it was, without patches and with them. */
export function keepImages(page: Address, program: usize, patched: usize): void {
  const place = placeOf(page);
  drop(place, true);
  const dormant = take(pool, DORMANT_SIZE);
  if (dormant == 0) return;
  changetype<Dormant>(dormant).page = page;
  memory.copy(programImage(dormant), program, PAGE_BYTES);
  memory.copy(patchedImage(dormant), patched, PAGE_BYTES);
  store<usize>(place, dormant);
}

/** The patches of a page whose images were kept, and which do not reach over its borders, are dormant. */
export function putToSleep(page: Address): void {
  const dormant = find(page);
  // Some pages may have been dormant before.
  if (dormant != 0 && changetype<Dormant>(dormant).records == 0)
    changetype<Dormant>(dormant).records = detachRange(page, page + PAGE_SIZE);
}

/** The dormant patches of [start, end), whole pages, will not come back. @param mayBeInside whether a thread may be in their trampolines */
export function forgetDormant(start: Address, end: Address, mayBeInside: bool): void {
  if ((end - start) / PAGE_SIZE < PLACES) {
    for (let page = start; page < end; page += PAGE_SIZE) if (find(page) != 0) drop(placeOf(page), mayBeInside);
    return;
  }
  for (let i: usize = 0; i < (PLACES as usize); i++) {
    const dormant = load<usize>(places + (i << 2));
    if (dormant != 0 && changetype<Dormant>(dormant).page - start < end - start) drop(places + (i << 2), mayBeInside);
  }
}

/** The dormant record of an instruction that was patched by a tactic, or 0. */
export function findDormant(original: Address, tactic: u8): usize {
  const dormant = find(original & ~(PAGE_SIZE - 1));
  let pointer = dormant == 0 ? (0 as usize) : changetype<Dormant>(dormant).records;
  while (pointer != 0) {
    const record = changetype<Record>(pointer);
    if (record.original == original && record.tactic == tactic && record.kind == INSTRUCTION) return pointer;
    pointer = nextDetached(record);
  }
  return 0;
}

/** Copies what a page was when it ran last, without patches; false when that is not known. */
export function copyLast(page: Address, pointer: usize): bool {
  const dormant = find(page);
  if (dormant != 0) memory.copy(pointer, programImage(dormant), PAGE_BYTES);
  return dormant != 0;
}

/** Calls `visit` with where a function began, and ran, when its page ran last. */
export function forEachProvenLast(page: Address, visit: (address: Address) => void): void {
  const dormant = find(page);
  let pointer = dormant == 0 ? (0 as usize) : changetype<Dormant>(dormant).records;
  for (; pointer != 0; pointer = nextDetached(changetype<Record>(pointer)))
    if (changetype<Record>(pointer).kind == PROVEN) visit(changetype<Record>(pointer).original);
}

// ---- Coming back

/** A byte for each of the page: not 0 where patches do not come back. */
const changed = memory.data(4096, 8);

/** What a patch lies on or depends on: one piece of its page, and the relay's own one. */
function pieceCount(record: Record): u32 {
  return record.kind == RELAY ? 2 : 1;
}
function pieceStart(record: Record, piece: u32, page: Address): u32 {
  return ((piece == 0 ? record.original : record.address) - page) as u32;
}
function pieceEnd(record: Record, piece: u32, page: Address): u32 {
  const size = piece == 0 ? max<u32>(max(record.locked, record.length), 1) : JUMP_SIZE;
  return pieceStart(record, piece, page) + size;
}

function isChanged(record: Record, page: Address): bool {
  for (let piece: u32 = 0; piece < pieceCount(record); piece++) {
    const end = pieceEnd(record, piece, page);
    for (let at = pieceStart(record, piece, page); at < end; at++) if (load<u8>(changed + at) != 0) return true;
  }
  return false;
}

function setChanged(record: Record, page: Address): void {
  for (let piece: u32 = 0; piece < pieceCount(record); piece++) {
    const start = pieceStart(record, piece, page);
    memory.fill(changed + start, 1, pieceEnd(record, piece, page) - start);
  }
}

/** Whether all that a record touches is marked. */
function isAllChanged(record: Record, page: Address): bool {
  for (let piece: u32 = 0; piece < pieceCount(record); piece++) {
    const end = pieceEnd(record, piece, page);
    for (let at = pieceStart(record, piece, page); at < end; at++) if (load<u8>(changed + at) == 0) return false;
  }
  return true;
}

/**
 * Brings the patches of a page back into a copy of it, as far as they hold: their records are published again. The rest of them will
 * not come back.
 * @param code the copy, as the program has written the page
 * @param isWanted whether a patch would be planned there again
 * @returns how many records came back
 */
export function revive(page: Address, code: usize, isWanted: (record: Record) => bool): u32 {
  const dormant = find(page);
  if (dormant == 0) return 0;
  const first = changetype<Dormant>(dormant).records;
  changetype<Dormant>(dormant).records = 0;
  const program = programImage(dormant);
  for (let at: u32 = 0; at < PAGE_BYTES; at += 8) {
    const differs = load<u64>(code + at) ^ load<u64>(program + at);
    store<u64>(changed + at, 0);
    for (let i: u32 = 0; differs != 0 && i < 8; i++) store<u8>(changed + at + i, (differs >> (i << 3)) as u8);
  }
  for (let pointer = first; pointer != 0; pointer = nextDetached(changetype<Record>(pointer))) {
    const record = changetype<Record>(pointer);
    if (!isWanted(record)) setChanged(record, page);
  }
  // What the bytes of one that goes touch goes with it.
  for (let isSpreading = true; isSpreading;) {
    isSpreading = false;
    for (let pointer = first; pointer != 0; pointer = nextDetached(changetype<Record>(pointer))) {
      const record = changetype<Record>(pointer);
      if (!isChanged(record, page) || isAllChanged(record, page)) continue;
      setChanged(record, page);
      isSpreading = true;
    }
  }
  let count: u32 = 0;
  for (let pointer = first; pointer != 0;) {
    const record = changetype<Record>(pointer);
    pointer = nextDetached(record);
    if (isChanged(record, page)) {
      retireDetached(record);
      continue;
    }
    for (let piece: u32 = 0; piece < pieceCount(record); piece++) {
      const start = pieceStart(record, piece, page);
      memory.copy(code + start, patchedImage(dormant) + start, pieceEnd(record, piece, page) - start);
    }
    attach(record);
    count += 1;
  }
  drop(placeOf(page), true);
  return count;
}
