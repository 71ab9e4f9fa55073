// The process's address space for trampolines: taken in slots of 64 KiB, near what is patched.
//
// A trampoline must lie where its jump can reach it, and a pun reaches few places. Memory is therefore asked for at a
// fixed address with MAP_FIXED_NOREPLACE, which fails where the program, or anybody, already has something. Slots next to
// each other, mapped with the same protection, are one mapping to the kernel: `vm.max_map_count` (65,530) is the budget
// that puns can use up, not bytes. So a search prefers, in this order (`OPEN` to `NEW`): pages that the plan already uses,
// other pages that it has mapped, older slots, a new slot beside an existing one, and last a new slot elsewhere, near the site.
// Nothing is reserved with PROT_NONE: a reservation with views in it costs more mappings than the views. The search is in patch/search.ts.
//
// I4: what a plan mapped is unmapped when the plan is abandoned or fails; until it is committed nothing else changes.
// I5: pages are read-write only while no jump leads to them, and read-execute from `seal` on. A slot that older
// trampolines live in is never written: a copy of its used pages is made, added to, protected, and swapped in with one
// mremap(MREMAP_FIXED), which the kernel does under the lock that page faults wait for (mm/mremap.c): a thread that runs
// there sees the old page or the new one, and both hold its trampoline. Where the thread that plans is the only one, nobody runs
// there: the page itself is written, which costs two mprotects instead of a copy.
//
// All memory here is private and anonymous. A fork without CLONE_VM copies it, so parent and child may go on to change
// their own; nothing has to be sealed. With CLONE_VM it is one territory with one engine lock.
//
// Slots whose trampolines are all gone are unmapped when a plan begins and they are many (`releaseEmptySlots`): what is free has no
// thread inside. All functions expect the caller to hold the engine lock.

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { EEXIST, EPERM } from "../kernel/errno";
import { SYS_MADVISE, SYS_MMAP, SYS_MPROTECT, SYS_MREMAP, SYS_MUNMAP } from "../kernel/numbers";
import { Address, copyIn, copyOut, syscall } from "../process";
import { claimMemory, releaseMemory } from "../own-memory";
import { isAlone } from "../thread/areas";
import { allocateTemporary } from "./arena";
import { ADDRESS_END, ADDRESS_MIN } from "./reach";
import { beginSearches, beginSearchesInBulk, listSlot } from "./search";
import {
  ALL_PAGES,
  PAGE_SHIFT,
  PAGE_SIZE,
  SLOT_PAGES,
  SLOT_SHIFT,
  SLOT_SIZE,
  Slot,
  createSlot,
  destroySlot,
  takeRange,
  untakeRange,
} from "./slot";

const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
const MAP_FIXED_NOREPLACE: u64 = 0x100000;
const MREMAP_MAYMOVE_FIXED: u64 = 3;
const MADV_DONTNEED: u64 = 4;

/** Where a search may find memory; each includes those before it. */
export const OPEN: u32 = 0; // pages that the plan already uses: costs nothing
export const WRITABLE: u32 = 1; // pages that the plan has mapped: costs a page
export const MAPPED: u32 = 2; // older slots: costs a copy and a swap
export const BESIDE: u32 = 3; // a new slot beside an existing one: costs a system call and memory
export const NEW: u32 = 4; // a new slot anywhere: costs a mapping, too

// The directory: all slots in order of address.
export const DIRECTORY_MAX: u32 = 16384;
const directory = memory.data(65536, 8);
/** The bases of its slots, in slots: u32 each, close together for a search. */
const numbers = memory.data(65536, 8);
let slotCount: u32 = 0;

/** Counts plans, so that refusals are remembered for one plan only. */
let planNumber: u32 = 0;
/** The kernel said that memory or mappings are out: nothing more is asked for in this plan. */
let exhausted: bool = false;
/** Mappings that this territory has added to the process, roughly: slots that had no neighbour when they were mapped. */
let mappingCount: u32 = 0;
/** The plan has sites by the thousand. */
let inBulk: bool = false;

export function slotAt(index: u32): Slot {
  assert(index < slotCount, "a slot is asked for behind the last");
  return changetype<Slot>(load<u32>(directory + (index << 2)));
}

export function countSlots(): u32 {
  return slotCount;
}

/** Index of the first slot whose end is above `address`. */
export function slotIndex(address: i64): u32 {
  const number = address >> (SLOT_SHIFT as i64);
  let low: u32 = 0;
  let high = slotCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((load<u32>(numbers + (middle << 2)) as i64) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}

// What is asked for is most often what was asked for shortly before.
const RECENT: u32 = 1024;
/** Slots that `slotOf` has found, engine pointers, by the low bits of their numbers. */
const recent = memory.data(4096, 8);

function recentEntry(address: Address): usize {
  return recent + ((((address >> (SLOT_SHIFT as u64)) as u32) & (RECENT - 1)) << 2);
}

/** The slot that holds `address`, or null. */
export function slotOf(address: Address): Slot | null {
  const entry = recentEntry(address);
  const known = load<u32>(entry);
  if (known != 0 && address - changetype<Slot>(known).base < SLOT_SIZE) return changetype<Slot>(known);
  const index = slotIndex(address as i64);
  if (index == slotCount) return null;
  const slot = slotAt(index);
  // An address of the kernel's is below every slot as a signed number, and above as an unsigned one.
  if (address - slot.base >= SLOT_SIZE) return null;
  store<u32>(entry, changetype<usize>(slot) as u32);
  return slot;
}

/** Whether anything in [start, end) is, or is being made, a trampoline that a thread may be in, to the slot. */
export function hasTrampolineIn(start: Address, end: Address): bool {
  for (let index = slotIndex(start as i64); index < slotCount && slotAt(index).base < end; index++)
    if ((slotAt(index).live | slotAt(index).open) != 0) return true;
  return false;
}

/** Makes room in the directory for one more, or closes the gap of one less. */
function moveDirectory(to: u32, from: u32, count: u32): void {
  memory.copy(directory + (to << 2), directory + (from << 2), count << 2);
  memory.copy(numbers + (to << 2), numbers + (from << 2), count << 2);
}

// What the plan under way has touched: few slots of many, unless it is a plan in bulk.
const TOUCHED_MAX: u32 = 128;
const touched = memory.data(512, 8);
let touchedCount: u32 = 0;

function touch(slot: Slot): void {
  if (slot.touched == planNumber) return;
  slot.touched = planNumber;
  if (touchedCount < TOUCHED_MAX) {
    let place = touchedCount;
    for (; place > 0 && touchedAt(place - 1).base > slot.base; place--)
      store<u32>(touched + (place << 2), load<u32>(touched + ((place - 1) << 2)));
    store<u32>(touched + (place << 2), changetype<usize>(slot) as u32);
  }
  touchedCount += 1;
}

/** How many slots to look at for what the plan has touched; and which, in order of address. */
function countTouched(): u32 {
  return touchedCount <= TOUCHED_MAX ? touchedCount : slotCount;
}
function touchedAt(index: u32): Slot {
  if (touchedCount > TOUCHED_MAX) return slotAt(index);
  return changetype<Slot>(load<u32>(touched + (index << 2)));
}

function insertSlot(base: Address): Slot | null {
  if (slotCount == DIRECTORY_MAX) return null;
  const slot = createSlot(base);
  if (slot == null) return null;
  const index = slotIndex(base as i64);
  moveDirectory(index + 1, index, slotCount - index);
  store<u32>(directory + (index << 2), changetype<usize>(slot) as u32);
  store<u32>(numbers + (index << 2), (base >> (SLOT_SHIFT as u64)) as u32);
  slotCount += 1;
  touch(slot);
  return slot;
}

function removeSlot(index: u32): void {
  store<u32>(recentEntry(slotAt(index).base), 0);
  destroySlot(slotAt(index));
  slotCount -= 1;
  moveDirectory(index, index + 1, slotCount - index);
}

// ---- Places that are somebody else's, though nothing is mapped there

const AVOIDED_MAX: u32 = 16;
const avoided = memory.data(256, 8);
let avoidedCount: u32 = 0;

/** AddressSanitizer's shadow, gap and high shadow: compiler-rt/lib/asan/asan_mapping.h, x86-64 Linux. */
const ASAN_SHADOW_START: i64 = 0x7fff7000;
const ASAN_SHADOW_END: i64 = 0x10007fff8000;
/** Go's first heap arena and where it grows: runtime/malloc.go, `arenaHint`. */
const GO_ARENA_START: i64 = 0xc000000000;
const GO_ARENA_END: i64 = 0xc100000000;
let keepsShadowFree: bool = true;
let keepsArenaFree: bool = true;

/** The program has code at [start, end), maybe where something is kept free: then what that is kept for is not to come. */
export function noteCode(start: Address, end: Address): void {
  if ((start as i64) < ASAN_SHADOW_END && (end as i64) > ASAN_SHADOW_START) keepsShadowFree = false;
  if ((start as i64) < GO_ARENA_END && (end as i64) > GO_ARENA_START) keepsArenaFree = false;
}

/** Never maps in [start, end): room that the stack or the heap (brk) may grow into. False when the list is full. */
export function avoid(start: Address, end: Address): bool {
  if (avoidedCount == AVOIDED_MAX) return false;
  store<u64>(avoided + (avoidedCount << 4), start);
  store<u64>(avoided + (avoidedCount << 4), end, 8);
  avoidedCount += 1;
  return true;
}

/** Forgets all that `avoid` was told. */
export function avoidNothing(): void {
  avoidedCount = 0;
}

/** Whether [start, end) is out of bounds for trampolines, or overlaps what `avoid` was told. */
export function isAvoided(start: i64, end: i64): bool {
  if (start < ADDRESS_MIN || end > ADDRESS_END) return true;
  if (keepsShadowFree && start < ASAN_SHADOW_END && end > ASAN_SHADOW_START) return true;
  if (keepsArenaFree && start < GO_ARENA_END && end > GO_ARENA_START) return true;
  for (let i: u32 = 0; i < avoidedCount; i++) {
    const avoidedStart = load<u64>(avoided + (i << 4)) as i64;
    const avoidedEnd = load<u64>(avoided + (i << 4), 8) as i64;
    if (start < avoidedEnd && end > avoidedStart) return true;
  }
  return false;
}

// ---- Mapping

/** Bits of `Slot.refused` behind those of the pages: the whole slot, and its quarters. */
const REFUSED_WHOLE: u32 = 1 << 16;
const REFUSED_QUARTER: u32 = 17;

export function isInBulk(): bool {
  return inBulk;
}

/** Whether a plan in bulk may open slots freely: half of the directory is for sites that need them. */
export function hasManySlotsLeft(): bool {
  return slotCount < DIRECTORY_MAX >> 1;
}

// The last eighth of the directory, and the last of the mappings that plans in bulk may add, are for what fits anywhere, and would lie
// nowhere if puns took all: direct jumps, and the trampolines of traps. Their slots adjoin, so that few mappings do for them.
const SPARE_SLOTS: u32 = DIRECTORY_MAX >> 3;
const SPARE_MAPPINGS: u32 = 100;

let isSparing: bool = false;

/** Whether that is kept from now on. */
export function spareTerritory(spare: bool): void {
  isSparing = spare;
}

function bulkMappingsMax(): u32 {
  return BULK_MAPPING_COUNT_MAX - (isSparing ? SPARE_MAPPINGS : 0);
}

/** Whether slots can be opened. */
export function hasSlotsToSpare(): bool {
  const most = DIRECTORY_MAX - (isSparing ? SPARE_SLOTS : 0);
  return slotCount < most;
}

export function isDirectoryFull(): bool {
  return slotCount == DIRECTORY_MAX;
}

/** Whether the kernel has refused memory to the plan. */
export function isExhausted(): bool {
  return exhausted;
}

/** Whether the mappings that a plan in bulk may add are used up: only neighbours of what is mapped can be had. */
export function isOutOfMappings(): bool {
  return inBulk && mappingCount >= bulkMappingsMax();
}

/** Slots to take at once: more as mappings get many, so that scattered puns share mappings. */
function slotsPerBlock(): u32 {
  // A plan in bulk gives back what it does not use, so blocks save it nothing.
  if (inBulk) return 1;
  if (mappingCount < 256) return 1;
  return mappingCount < 1024 ? 4 : 16;
}

/** Beyond this only slots that need no new mapping are taken: the rest of vm.max_map_count is the program's. */
const MAPPING_COUNT_MAX: u32 = 16384;
/** The same for plans in bulk: a tenth of vm.max_map_count, less what unmapped neighbours add. */
const BULK_MAPPING_COUNT_MAX: u32 = 3600;

function hasNeighbour(start: i64, end: i64): bool {
  for (let side = 0; side < 2; side++) {
    const address = side == 0 ? start - 1 : end;
    const slot = slotOf(address as Address);
    if (slot == null) continue;
    if ((slot.mapped >> (((address as u32) & (SLOT_SIZE - 1)) >> PAGE_SHIFT)) & 1) return true;
  }
  return false;
}

/** Asks the kernel for [start, start + size). */
function map(start: Address, size: u64): bool {
  if (exhausted || isAvoided(start as i64, (start + size) as i64)) return false;
  const joins = hasNeighbour(start as i64, (start + size) as i64);
  if (!joins && mappingCount >= (inBulk ? bulkMappingsMax() : MAPPING_COUNT_MAX)) return false;
  const flags = MAP_PRIVATE_ANONYMOUS | MAP_FIXED_NOREPLACE;
  const got = syscall(SYS_MMAP, start, size, PROT_READ_WRITE, flags, -1, 0);
  if (got == (start as i64)) {
    if (!claimMemory(start, start + size)) {
      syscall2(SYS_MUNMAP, start, size);
      exhausted = true;
      return false;
    }
    if (!joins) mappingCount += 1;
    return true;
  }
  // A kernel before 4.17 does not know the flag and takes the address as a hint.
  if (!isError(got)) syscall2(SYS_MUNMAP, got as u64, size);
  else if (got != -EEXIST && got != -EPERM) exhausted = true;
  return false;
}

/** Gives memory back that `map` gave; false when the kernel cannot split a mapping. */
function unmap(start: Address, size: u64): bool {
  if (syscall2(SYS_MUNMAP, start, size) != 0) return false;
  releaseMemory(start, start + size);
  return true;
}

/** Maps an aligned block of several slots around `base`, all of them unknown so far. */
function mapBlock(base: Address, slots: u32): bool {
  const size = (slots as u64) * SLOT_SIZE;
  const start = base & ~(size - 1);
  const index = slotIndex(start as i64);
  if (index < slotCount && slotAt(index).base < start + size) return false;
  if (slotCount + slots > DIRECTORY_MAX || !map(start, size)) return false;
  for (let i: u32 = 0; i < slots; i++) {
    const slot = insertSlot(start + ((i * SLOT_SIZE) as u64));
    if (slot == null) {
      unmap(start + ((i * SLOT_SIZE) as u64), ((slots - i) * SLOT_SIZE) as u64);
      return i != 0 && slotOf(base) != null;
    }
    slot.mapped = ALL_PAGES;
    slot.writable = ALL_PAGES;
    listSlot(slot);
  }
  return true;
}

function mapPages(slot: Slot, first: u32, count: u32, refusal: u32): bool {
  if (slot.refused & refusal) return false;
  const mask = ((1 << count) - 1) << first;
  assert((slot.mapped & mask) == 0, "a page is mapped twice");
  if (!map(slot.base + ((first << PAGE_SHIFT) as u64), (count << PAGE_SHIFT) as u64)) {
    slot.refused |= refusal;
    return false;
  }
  slot.mapped |= mask;
  slot.writable |= mask;
  touch(slot);
  listSlot(slot);
  return true;
}

/**
 * Makes pages first..last of the slot at `base` trampoline memory, with as much around them as is free.
 * @param wholeOnly take the whole slot or nothing: for a reach that has many other slots
 */
export function ensureMapped(base: Address, first: u32, last: u32, wholeOnly: bool): Slot | null {
  const needed: u32 = ((1 << (last - first + 1)) - 1) << first;
  let slot = slotOf(base);
  if (slot != null && (slot.mapped & needed) == needed) return slot;
  if (exhausted || isAvoided(base as i64, (base as i64) + 1)) return null;
  if (slot == null) {
    const slots = slotsPerBlock();
    if (slots > 1 && mapBlock(base, slots)) return slotOf(base);
    slot = insertSlot(base);
    if (slot == null) return null;
  }
  if (slot.plan != planNumber) {
    slot.plan = planNumber;
    slot.refused = 0;
  }
  if (slot.mapped == 0 && mapPages(slot, 0, SLOT_PAGES, REFUSED_WHOLE)) return slot;
  if (wholeOnly) return null;
  const quarter = first >> 2;
  if (quarter == last >> 2 && ((slot.mapped >> (quarter << 2)) & 15) == 0) {
    if (mapPages(slot, quarter << 2, 4, 1 << (REFUSED_QUARTER + quarter))) return slot;
  }
  for (let page = first; page <= last; page++) {
    if ((slot.mapped >> page) & 1) continue;
    if (!mapPages(slot, page, 1, 1 << page)) return null;
  }
  return slot;
}

// ---- Taking

/** Takes [address, address + size) for the plan. False when the engine's memory is out. */
export function takeTerritory(address: Address, size: u32): bool {
  const slot = slotOf(address);
  assert(slot != null, "trampoline memory is taken where there is none");
  touch(slot!);
  return takeRange(slot!, (address - slot!.base) as u32, size);
}

export function untakeTerritory(address: Address, size: u32): void {
  const slot = slotOf(address);
  assert(slot != null, "trampoline memory is given back where there is none");
  untakeRange(slot!, (address - slot!.base) as u32, size);
}

// ---- Applying

/** A run of pages of older slots, and the copy that takes its place. */
@unmanaged
class Swap {
  target: Address;
  copy: Address;
  size: u64;
  next: usize;
  /** The next one of the same slot. */
  inSlot: usize;
  done: u32;
}

let swaps: usize = 0;
const page = memory.data(4096, 16);

function bits(first: u32, count: u32): u32 {
  return ((1 << count) - 1) << first;
}

/** Number of consecutive pages of `mask` from `first` on. */
function runLength(mask: u32, first: u32): u32 {
  return ctz(~(mask >> first)) as u32;
}

/** Starts a plan: everything that is taken from here on belongs to it. */
export function beginTerritory(): void {
  if (emptied >= EMPTIED_MAX) {
    emptied = 0;
    releaseEmptySlots();
  }
  planNumber += 1;
  touchedCount = 0;
  exhausted = false;
  swaps = 0;
  beginSearches();
  inBulk = false;
}

/** The plan that was begun has sites by the thousand. */
export function planInBulk(): void {
  inBulk = true;
  beginSearchesInBulk();
  for (let index: u32 = 0; index < slotCount; index++) slotAt(index).listed = 0;
}

function copyRun(slot: Slot, first: u32, count: u32): i32 {
  const pointer = allocateTemporary(offsetof<Swap>());
  if (pointer == 0) return -12;
  const size = (count << PAGE_SHIFT) as u64;
  const copy = syscall(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(copy)) return copy as i32;
  const swap = changetype<Swap>(pointer);
  swap.target = slot.base + ((first << PAGE_SHIFT) as u64);
  swap.copy = copy as u64;
  swap.size = size;
  swap.done = 0;
  swap.next = swaps;
  swaps = pointer;
  swap.inSlot = slot.swaps;
  slot.swaps = pointer;
  for (let i: u32 = 0; i < count; i++) {
    if (((slot.live >> (first + i)) & 1) == 0) continue;
    const offset = (i << PAGE_SHIFT) as u64;
    copyIn(page, swap.target + offset, PAGE_SIZE);
    copyOut(swap.copy + offset, page, PAGE_SIZE);
  }
  return 0;
}

/** Makes pages that hold trampolines writable, for a plan that nobody else runs beside. Gives 0 or -errno. */
function reopen(slot: Slot, pages: u32): i32 {
  for (let first: u32 = 0; first < SLOT_PAGES;) {
    const count = runLength(pages, first);
    if (count != 0) {
      const start = slot.base + ((first << PAGE_SHIFT) as u64);
      const result = syscall3(SYS_MPROTECT, start, (count << PAGE_SHIFT) as u64, PROT_READ_WRITE);
      if (result != 0) return result as i32;
      slot.reopened |= bits(first, count);
    }
    first += count + 1;
  }
  return 0;
}

/** Gives reopened pages their protection back. */
function closeReopened(slot: Slot): void {
  for (let first: u32 = 0; first < SLOT_PAGES;) {
    const count = runLength(slot.reopened, first);
    const start = slot.base + ((first << PAGE_SHIFT) as u64);
    const isClosed = count == 0 || protectRun(start, start + ((count << PAGE_SHIFT) as u64)) == 0;
    assert(isClosed, "the kernel does not give trampolines their protection back");
    first += count + 1;
  }
  slot.reopened = 0;
}

/** Makes older pages that the plan adds to writable, or copies of them. Gives 0 or -errno. */
export function prepareTerritory(): i32 {
  const alone = isAlone();
  for (let index: u32 = 0; index < countTouched(); index++) {
    const slot = touchedAt(index);
    const needed = slot.open & ~slot.writable;
    if (needed == 0) continue;
    if (alone) {
      const result = reopen(slot, needed);
      if (result != 0) return result;
      continue;
    }
    const old = slot.mapped & ~slot.writable;
    for (let first: u32 = 0; first < SLOT_PAGES;) {
      const count = runLength(old, first);
      if ((needed & bits(first, count)) != 0) {
        const result = copyRun(slot, first, count);
        if (result != 0) return result;
      }
      first += count + 1;
    }
  }
  return 0;
}

/** Where bytes for the page at `address` are written: the page itself, or its copy. */
function destinationOf(address: Address): Address {
  const slot = slotOf(address);
  assert(slot != null, "a trampoline is written outside of trampoline memory");
  if (((slot!.writable | slot!.reopened) >> (((address - slot!.base) as u32) >> PAGE_SHIFT)) & 1) return address;
  for (let pointer = slot!.swaps; pointer != 0;) {
    const swap = changetype<Swap>(pointer);
    if (address >= swap.target && address < swap.target + swap.size) return swap.copy + (address - swap.target);
    pointer = swap.inSlot;
  }
  assert(false, "a page that threads may be running is written");
  return 0;
}

/** Writes bytes of a trampoline of the plan, after `prepareTerritory`. */
export function writeTerritory(address: Address, pointer: usize, size: u32): void {
  for (let done: u32 = 0; done < size;) {
    const at = address + (done as u64);
    const part = min(size - done, PAGE_SIZE - ((at as u32) & (PAGE_SIZE - 1)));
    copyOut(destinationOf(at), pointer + done, part);
    done += part;
  }
}

function protectRun(start: Address, end: Address): i32 {
  return start == end ? 0 : (syscall3(SYS_MPROTECT, start, end - start, PROT_READ_EXECUTE) as i32);
}

/** Protects all writable pages, with one call for runs that go on over slot borders. */
function protectWritable(): i32 {
  let start: Address = 0;
  let end: Address = 0;
  for (let index: u32 = 0; index < countTouched(); index++) {
    const slot = touchedAt(index);
    if ((slot.open | slot.live) == 0) continue;
    for (let first: u32 = 0; first < SLOT_PAGES; first++) {
      if ((((slot.writable | slot.reopened) >> first) & 1) == 0) continue;
      const at = slot.base + ((first << PAGE_SHIFT) as u64);
      if (at != end) {
        const result = protectRun(start, end);
        if (result != 0) return result;
        start = at;
      }
      end = at + PAGE_SIZE;
    }
  }
  return protectRun(start, end);
}

/** Makes everything that was written executable and no longer writable. Gives 0 or -errno. */
export function sealTerritory(): i32 {
  const result = protectWritable();
  if (result != 0) return result;
  for (let pointer = swaps; pointer != 0;) {
    const swap = changetype<Swap>(pointer);
    const refusal = syscall3(SYS_MPROTECT, swap.copy, swap.size, PROT_READ_EXECUTE);
    if (refusal != 0) return refusal as i32;
    pointer = swap.next;
  }
  return 0;
}

/**
 * Swaps the copies in. Gives 0 or -errno. A slot that was swapped in before another one failed keeps its copy: what lives
 * in it is the same, and nothing leads to the rest.
 */
export function swapTerritory(): i32 {
  for (let pointer = swaps; pointer != 0;) {
    const swap = changetype<Swap>(pointer);
    const got = syscall(SYS_MREMAP, swap.copy, swap.size, swap.size, MREMAP_MAYMOVE_FIXED, swap.target, 0);
    if (got != (swap.target as i64)) return got as i32;
    swap.done = 1;
    pointer = swap.next;
  }
  return 0;
}

/**
 * Unmaps the writable pages of a slot. munmap can fail, where it has to split a mapping and mappings are out: the pages
 * then stay ours, as pages that can be used by a swap.
 */
function unmapWritable(slot: Slot): void {
  for (let first: u32 = 0; first < SLOT_PAGES;) {
    const count = runLength(slot.writable, first);
    if (count != 0) {
      const start = slot.base + ((first << PAGE_SHIFT) as u64);
      if (unmap(start, (count << PAGE_SHIFT) as u64)) slot.mapped &= ~bits(first, count);
      slot.writable &= ~bits(first, count);
    }
    first += count + 1;
  }
}

function removeEmptySlots(): void {
  for (let index = countTouched(); index-- > 0;) {
    const slot = touchedAt(index);
    if (slot.mapped == 0) removeSlot(slotIndex(slot.base as i64));
  }
  touchedCount = 0;
}

/** The plan is applied: after its trampolines have been published. Whole slots that it did not use go back. */
export function settleTerritory(): void {
  swaps = 0;
  for (let index: u32 = 0; index < countTouched(); index++) {
    const slot = touchedAt(index);
    assert(slot.open == 0, "a plan is settled while memory of it is not published");
    slot.swaps = 0;
    slot.reopened = 0;
    if (slot.live == 0) unmapWritable(slot);
    else slot.writable = 0;
  }
  removeEmptySlots();
}

/** The plan is given up: after everything that it took has been given back. */
export function withdrawTerritory(): void {
  for (let pointer = swaps; pointer != 0;) {
    const swap = changetype<Swap>(pointer);
    if (swap.done == 0) syscall2(SYS_MUNMAP, swap.copy, swap.size);
    pointer = swap.next;
  }
  swaps = 0;
  for (let index: u32 = 0; index < countTouched(); index++) {
    const slot = touchedAt(index);
    assert(slot.open == 0, "a plan is given up while it holds memory");
    slot.swaps = 0;
    closeReopened(slot);
    unmapWritable(slot);
  }
  removeEmptySlots();
}

/** How many slots have lost their last trampoline since empty ones were unmapped. */
let emptied: u32 = 0;
/** So many are unmapped together. */
const EMPTIED_MAX: u32 = 64;

/** Pages of a slot in which no trampoline is any more need no memory. A plan that has taken of them writes them anew. */
export function dropPages(slot: Slot, pages: u32): void {
  for (let rest = pages & ~slot.writable; rest != 0; rest &= rest - 1)
    syscall3(SYS_MADVISE, slot.base + ((ctz<u32>(rest) << PAGE_SHIFT) as u64), PAGE_SIZE as u64, MADV_DONTNEED);
  if (pages != 0 && slot.live == 0) emptied += 1;
}

/** Counts anew how many mappings the territory is, as far as its slots say. */
function countMappings(): void {
  mappingCount = 0;
  for (let index: u32 = 0; index < slotCount; index++) {
    const slot = slotAt(index);
    const before = index == 0 ? slot : slotAt(index - 1);
    const joins = before.base + SLOT_SIZE == slot.base && before.mapped >> (SLOT_PAGES - 1) != 0 && slot.mapped & 1;
    if (!joins) mappingCount += 1;
  }
}

/** Unmaps slots that hold no trampoline any more, while no plan is open. */
export function releaseEmptySlots(): void {
  for (let index: u32 = 0; index < slotCount; index++) {
    const slot = slotAt(index);
    assert(slot.open == 0, "slots are released while a plan is open");
    if (slot.live != 0) continue;
    slot.writable = slot.mapped;
    unmapWritable(slot);
  }
  for (let index = slotCount; index-- > 0;) if (slotAt(index).mapped == 0) removeSlot(index);
  countMappings();
}
