// Trampolines of the plan under way: finding a place for them, and giving it back.
//
// The records of a plan hang on one list, newest first. A tactic that fails half-way gives back what it took by going
// back to a mark; a plan that is abandoned goes back to the start. Nothing is written before the commit.
//
// A site's trampoline is some 70 bytes, and a pun may have room for 5: then a stub, a plain jump, lies there, and the
// trampoline itself wherever there is room. Stubs keep to pages that are used anyway before a whole trampoline opens
// another page.

import { Address } from "../process";
import { Instruction } from "../x86/instruction";
import { Cluster } from "./cluster";
import { Jump, reachOfFirst, reachOfJump, reachOfSecond, sharedBytes } from "./jump";
import {
  ADDRESS_END,
  ADDRESS_MIN,
  Reach,
  bound,
  boundAround,
  endWindow,
  firstWindow,
  highest,
  lowest,
  setWindows,
  sharedValue,
  windowHigh,
  windowLow,
} from "./reach";
import { Record, SITE, STUB, VICTIM, createRecord, destroyRecord, originalBytes } from "./record";
import { JUMP_SIZE, isPlaceDependent, placeOf } from "./relocate";
import { SLOT_SIZE, Slot } from "./slot";
import {
  Round,
  Tour,
  allowedPages,
  endRound,
  freeInWindow,
  isNearTerritory,
  mapWindow,
  nextOfRound,
  nextOfTour,
  offersMore,
  search,
  searchNew,
  startRound,
  startTour,
} from "./search";
import { BESIDE, NEW, OPEN, isInBulk, slotOf, takeTerritory, untakeTerritory } from "./territory";

/** What is to be moved into a trampoline: a site's instruction or a victim. */
@unmanaged
export class Moved {
  address: Address;
  /** Engine pointer of its original bytes. */
  bytes: usize;
  /** Bounds of its trampoline's address, both inclusive. */
  low: i64;
  high: i64;
  /** Size of its trampoline. */
  size: u32;
  length: u32;
  kind: u8;
}

let pending: usize = 0;
/** The engine's memory ran out: the plan can only be abandoned. */
let outOfMemory: bool = false;

// What the plan under way asked for.
let planLow: i64 = 0;
let planHigh: i64 = 0;
let planCookie: usize = 0;

export function resetPlacement(): void {
  assert(pending == 0, "a plan begins while another is open");
  outOfMemory = false;
  planLow = ADDRESS_MIN;
  planHigh = ADDRESS_END;
}

/** Bounds for all site trampolines of the plan, both inclusive: for what their code itself must reach. */
export function boundSites(low: i64, high: i64): void {
  planLow = low;
  planHigh = high;
}

/** The word that new site records get. */
export function setCookie(cookie: usize): void {
  planCookie = cookie;
}

export function isOutOfMemory(): bool {
  return outOfMemory;
}

/** The newest record of the plan, or 0: also a mark to go back to. */
export function newestRecord(): usize {
  return pending;
}

/** The plan's record of the instruction at an address, a site or victim, if it is among the newest; else 0. */
export function findPlanned(original: Address): usize {
  let pointer = pending;
  for (let left = PLANNED_MAX; left != 0 && pointer != 0; left--) {
    const record = changetype<Record>(pointer);
    if (record.original == original && (record.kind == SITE || record.kind == VICTIM)) return pointer;
    pointer = record.inPage;
  }
  return 0;
}
/** What lies within a short jump was planned shortly before. */
const PLANNED_MAX: u32 = 512;

/** Takes over the list of records: the plan is over. */
export function takeRecords(): usize {
  const records = pending;
  pending = 0;
  return records;
}

/** Gives back all records that are newer than `mark`. */
export function undoTo(mark: usize): void {
  while (pending != mark) {
    assert(pending != 0, "undo to a mark that is not there");
    const record = changetype<Record>(pending);
    pending = record.inPage;
    if (record.size != 0) untakeTerritory(record.address, record.size);
    destroyRecord(record);
  }
}

/** Adds a record that has no memory yet; 0 when the engine's memory is out. */
export function addRecord(moved: Moved, kind: u8): usize {
  const pointer = createRecord();
  if (pointer == 0) {
    outOfMemory = true;
    return 0;
  }
  const record = changetype<Record>(pointer);
  record.original = moved.address;
  record.length = moved.length as u8;
  record.kind = kind;
  record.cookie = planCookie;
  memory.copy(originalBytes(record), moved.bytes, moved.length);
  record.inPage = pending;
  pending = pointer;
  return pointer;
}

/** Takes `size` bytes at `address` for a trampoline; 0 when the engine's memory is out. */
function reserve(moved: Moved, kind: u8, address: Address, size: u32): usize {
  const pointer = addRecord(moved, kind);
  if (pointer == 0) return 0;
  if (!takeTerritory(address, size)) {
    outOfMemory = true;
    undoTo(changetype<Record>(pointer).inPage);
    return 0;
  }
  const record = changetype<Record>(pointer);
  record.address = address;
  record.size = size as u16;
  return pointer;
}

/** Sets what is to be moved, with the bounds that its operands and its jump back give. */
export function setMoved(
  moved: Moved,
  kind: u8,
  instruction: Instruction,
  bytes: usize,
  address: Address,
  size: u32,
): void {
  moved.kind = kind;
  moved.address = address;
  moved.bytes = bytes;
  moved.length = instruction.length;
  moved.size = size;
  moved.low = ADDRESS_MIN;
  moved.high = ADDRESS_END;
  if (kind == SITE) {
    moved.low = planLow;
    moved.high = planHigh;
  }
  boundMoved(moved, address);
  if (isPlaceDependent(instruction)) boundMoved(moved, placeOf(instruction, bytes, address));
}

const movedReach = changetype<Reach>(memory.data(offsetof<Reach>(), 8));

function boundMoved(moved: Moved, address: Address): void {
  movedReach.low = moved.low;
  movedReach.high = moved.high;
  boundAround(movedReach, address as i64);
  moved.low = movedReach.low;
  moved.high = movedReach.high;
}

function find(reach: Reach, size: u32, memory: u32, near: Address): Address {
  return memory >= BESIDE ? searchNew(reach, size, near, memory) : search(reach, size, memory);
}

const bodyReach = changetype<Reach>(memory.data(offsetof<Reach>(), 8));

/** Places the trampoline that a stub leads to. */
function placeBody(site: Moved, stub: usize, memory: u32): bool {
  const address = changetype<Record>(stub).address;
  setWindows(bodyReach, address as i64, 0, 4, 0, 0);
  boundAround(bodyReach, address as i64);
  bound(bodyReach, site.low, site.high);
  for (let level = OPEN; level <= memory; level++) {
    if (!offersMore(level)) continue;
    const body = find(bodyReach, site.size, level, site.address);
    if (body == 0) continue;
    const record = reserve(site, SITE, body, site.size);
    if (record == 0) return false;
    changetype<Record>(stub).companion = record;
    return true;
  }
  return false;
}

/** Reserves what the site's jump leads to: its trampoline, or a stub and its trampoline. */
function reserveSite(site: Moved, address: Address, isStub: bool, memory: u32): bool {
  if (!isStub) return reserve(site, SITE, address, site.size) != 0;
  const stub = reserve(site, STUB, address, JUMP_SIZE);
  return stub != 0 && placeBody(site, stub, memory);
}

/** Whether stubs help: a reach that has room for few trampolines. */
function isNarrow(reach: Reach): bool {
  return reach.width < 0x1000000;
}

/** Places a site's trampoline within a reach, in memory of a kind. Gives what its jump must lead to, or 0. */
export function placeSite(site: Moved, reach: Reach, memory: u32): Address {
  bound(reach, site.low, site.high);
  const mark = pending;
  for (let isStub = 0; isStub <= (isNarrow(reach) ? 1 : 0); isStub++) {
    const address = find(reach, isStub ? JUMP_SIZE : site.size, memory, site.address);
    if (address == 0) continue;
    if (reserveSite(site, address, isStub != 0, memory)) return address;
    undoTo(mark);
  }
  return 0;
}

// ---- Pairs

/** A pair of jumps, one of a site and one of a victim, and where they lead once it is placed. */
@unmanaged
export class Pair {
  cluster: usize;
  first: usize;
  second: usize;
  firstMoved: usize;
  secondMoved: usize;
  firstTarget: Address;
  secondTarget: Address;
}

const firstReach = changetype<Reach>(memory.data(offsetof<Reach>(), 8));
const secondReach = changetype<Reach>(memory.data(offsetof<Reach>(), 8));
const round = changetype<Round>(memory.data(offsetof<Round>(), 8));
const pairTour = changetype<Tour>(memory.data(offsetof<Tour>(), 8));

/** Windows of the first jump that are tried before a pair is given up: each costs a search for the second. */
const WINDOWS_MAX: u32 = 256;
/** The same in a plan in bulk, and where the second may map another slot. */
const BULK_WINDOWS_MAX: u32 = 16;
const BULK_NEW_WINDOWS_MAX: u32 = 3;
/** The same where each may map another slot. */
const NEW_WINDOWS_MAX: u32 = 8;
let windowsTried: u32 = 0;

function windowsMax(memory: u32): u32 {
  if (!isInBulk()) return WINDOWS_MAX;
  return memory == OPEN ? BULK_WINDOWS_MAX : BULK_NEW_WINDOWS_MAX;
}

function sizeOf(moved: Moved, isStub: bool): u32 {
  return moved.kind == SITE && isStub ? JUMP_SIZE : moved.size;
}

function reserveMoved(moved: Moved, address: Address, isStub: bool, memory: u32): bool {
  if (moved.kind == SITE) return reserveSite(moved, address, isStub, memory);
  return reserve(moved, VICTIM, address, moved.size) != 0;
}

/** Tries one window of the first jump, which fixes the bytes that it shares with the second. */
function placeInWindow(pair: Pair, slot: Slot, window: u32, isStub: bool, memory: u32): bool {
  const first = changetype<Moved>(pair.firstMoved);
  const second = changetype<Moved>(pair.secondMoved);
  const allowed = allowedPages(slot, memory);
  if (freeInWindow(slot, firstReach, window, sizeOf(first, isStub), allowed) == 0) return false;
  windowsTried += 1;

  const value = sharedValue(firstReach, window);
  const firstJump = changetype<Jump>(pair.first);
  const secondJump = changetype<Jump>(pair.second);
  reachOfSecond(changetype<Cluster>(pair.cluster), firstJump, secondJump, value, secondReach);
  bound(secondReach, second.low, second.high);
  let target: Address = 0;
  for (let level = OPEN; target == 0 && level <= memory; level++) {
    if (offersMore(level)) target = find(secondReach, sizeOf(second, isStub), level, second.address);
  }
  if (target == 0) return false;

  // The second is the rigid one: the first finds its place around it.
  const mark = pending;
  if (reserveMoved(second, target, isStub, memory)) {
    const address = freeInWindow(slot, firstReach, window, sizeOf(first, isStub), allowedPages(slot, memory));
    if (address != 0 && reserveMoved(first, address, isStub, memory)) {
      pair.firstTarget = address;
      pair.secondTarget = target;
      return true;
    }
  }
  undoTo(mark);
  return false;
}

function placePairInSlots(pair: Pair, isStub: bool, memory: u32): bool {
  for (let slot = startRound(round, firstReach, memory); slot != null; slot = nextOfRound(round)) {
    const base = slot.base as i64;
    const end = endWindow(firstReach, base + SLOT_SIZE);
    for (let window = firstWindow(firstReach, base); window < end; window++) {
      if (placeInWindow(pair, slot, window, isStub, memory)) {
        endRound(round);
        return true;
      }
      if (windowsTried > windowsMax(memory) || outOfMemory) return false;
    }
  }
  return false;
}

/** Whether a reach has windows as large as slots, and few: those of a T2 of three bytes, 16 MiB apart. */
function isSparse(reach: Reach): bool {
  return reach.shift == 24 && reach.count > 1;
}

/** Windows of a sparse reach that are tried, nearest to the site first. */
const SPARSE_MAX: u32 = 8;

/** Places a pair with a sparse reach: few slots are in it, and those that it opens are for others of its kind. */
function placePairNearby(pair: Pair, memory: u32): bool {
  const first = changetype<Moved>(pair.firstMoved);
  const nearest = firstWindow(firstReach, first.address as i64);
  for (let i: u32 = 0; i < SPARSE_MAX; i++) {
    // Alternately above and below.
    const window = (i & 1) == 0 ? nearest + (i >> 1) : nearest - 1 - (i >> 1);
    if (window >= firstReach.count) continue;
    const low = windowLow(firstReach, window, firstReach.low);
    const high = windowHigh(firstReach, window, firstReach.high);
    // The upper slot first: the windows of all sites of 64 KiB of text begin in front of it, and meet at its start.
    const last = low & ~((SLOT_SIZE - 1) as i64);
    for (let base = high & ~((SLOT_SIZE - 1) as i64); base >= last; base -= SLOT_SIZE) {
      const slot = memory == NEW ? mapWindow(base, firstReach, window, first.size) : slotOf(base as Address);
      if (slot != null && placeInWindow(pair, slot, window, false, memory)) return true;
      if (outOfMemory) return false;
    }
  }
  return false;
}

function placePairInNewSlots(pair: Pair, isStub: bool, memory: u32): bool {
  const first = changetype<Moved>(pair.firstMoved);
  windowsTried = 0;
  startTour(pairTour, firstReach, first.address, memory);
  while (true) {
    const base = nextOfTour(pairTour);
    if (base < 0) return false;
    const end = endWindow(firstReach, base + SLOT_SIZE);
    for (let window = firstWindow(firstReach, base); window < end; window++) {
      const slot = mapWindow(base, firstReach, window, sizeOf(first, isStub));
      if (slot == null) break;
      if (placeInWindow(pair, slot, window, isStub, memory)) return true;
      if (windowsTried > NEW_WINDOWS_MAX || outOfMemory) return false;
    }
  }
}

/**
 * Whether the second jump of a pair has a chance, whatever the shared bytes and its prefixes are: a look at all its places
 * together, before a search for each value.
 */
export function secondHasChance(pair: Pair, memory: u32): bool {
  // With three bytes given its places are 16 MiB apart.
  if (memory != NEW && sharedBytes(changetype<Jump>(pair.first), changetype<Jump>(pair.second)) >= 3) return false;
  const second = changetype<Moved>(pair.secondMoved);
  reachOfJump(changetype<Cluster>(pair.cluster), changetype<Jump>(pair.second), secondReach);
  bound(secondReach, second.low, second.high);
  if (lowest(secondReach) > highest(secondReach)) return false;
  return memory == NEW || isNearTerritory(secondReach);
}

/** Places the trampolines of a pair of jumps, the second of which has a chance, in memory of a kind. */
export function placePair(pair: Pair, memory: u32): bool {
  reachOfFirst(
    changetype<Cluster>(pair.cluster),
    changetype<Jump>(pair.first),
    changetype<Jump>(pair.second),
    firstReach,
  );
  const first = changetype<Moved>(pair.firstMoved);
  bound(firstReach, first.low, first.high);
  if (lowest(firstReach) > highest(firstReach)) return false;
  windowsTried = 0;
  // A stub is one more jump at each execution: a plan in bulk has other places to go to first.
  const stubs: i32 = isInBulk() && memory != NEW ? 1 : 2;
  if (isInBulk() && isSparse(firstReach)) return placePairNearby(pair, memory);
  for (let isStub = 0; isStub < stubs; isStub++) {
    if (placePairInSlots(pair, isStub != 0, memory)) return true;
    if (memory >= BESIDE && placePairInNewSlots(pair, isStub != 0, memory)) return true;
    if (outOfMemory) return false;
  }
  return false;
}
