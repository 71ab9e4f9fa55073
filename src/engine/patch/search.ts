// Searching trampoline memory for a place: first what is mapped (`search`, rounds over the slots), then new slots (`searchNew`,
// tours), in the order of what it costs (`OPEN` to `NEW` of patch/territory.ts). Nothing is taken here.
//
// Trampolines that run one behind the other should lie together: each page of its own is a page more for the processor to
// keep at hand. So each kind of reach has a place where it goes on from.

import { Address } from "../process";
import { Reach, bound, endWindow, firstWindow, highest, lowest, setWindows, windowHigh, windowLow } from "./reach";
import { ALL_PAGES, PAGE_SHIFT, SLOT_SIZE, Slot, findFree } from "./slot";
import {
  BESIDE,
  DIRECTORY_MAX,
  MAPPED,
  NEW,
  OPEN,
  countSlots,
  ensureMapped,
  isDirectoryFull,
  isExhausted,
  isInBulk,
  isOutOfMappings,
  slotAt,
  slotIndex,
} from "./territory";

/** The pages of a slot that a search may use. */
export function allowedPages(slot: Slot, memory: u32): u32 {
  if (memory >= MAPPED) return slot.mapped;
  const swapped = (slot.open & ~slot.writable) != 0;
  const open = swapped ? slot.open | (slot.live & ~slot.writable) : slot.open;
  return memory == OPEN ? open : open | slot.writable;
}

/** Whether memory of a kind is more than memory of the kind before it. */
export function offersMore(memory: u32): bool {
  if (memory == OPEN || memory >= BESIDE) return true;
  if (isInBulk()) return true;
  for (let index: u32 = 0; index < countSlots(); index++) {
    const slot = slotAt(index);
    if (allowedPages(slot, memory) != allowedPages(slot, memory - 1)) return true;
  }
  return false;
}

/** First free address of `size` bytes of a window in a slot, or 0. */
export function freeInWindow(slot: Slot, reach: Reach, window: u32, size: u32, allowed: u32): Address {
  const base = slot.base as i64;
  const low = windowLow(reach, window, base);
  const high = windowHigh(reach, window, base + SLOT_SIZE - size);
  if (low > high) return 0;
  const offset = findFree(slot, (low - base) as u32, (high - base) as u32, size, allowed);
  return offset < 0 ? 0 : slot.base + (offset as u64);
}

function freeInSlot(slot: Slot, reach: Reach, size: u32, allowed: u32): Address {
  if (allowed == 0 || isFull(slot)) return 0;
  const base = slot.base as i64;
  const end = endWindow(reach, base + SLOT_SIZE);
  for (let window = firstWindow(reach, base); window < end; window++) {
    const address = freeInWindow(slot, reach, window, size, allowed);
    if (address) return address;
  }
  return 0;
}

/** A slot with more bytes taken is passed over by a plan in bulk. */
const FULL: u32 = SLOT_SIZE - 256;

/** Whether a search had better go elsewhere. */
export function isFull(slot: Slot): bool {
  return isInBulk() && slot.taken > FULL;
}

/** Whether a reach is so wide that one slot is as good as another. */
function isWide(reach: Reach): bool {
  return reach.count == 1 && reach.width >= 0x1000000;
}

const roundOfWide = changetype<Round>(memory.data(offsetof<Round>(), 8));
/** Where the last round for a wide reach found something, and what lies before it is left to narrow ones. */
let wideSlot: usize = 0;
let wideOffset: u32 = 0;

// A pun of four bytes reaches 16 MiB, which the first byte behind the site chooses. Few bytes begin most instructions, so each
// such reach has a slot that the next one of its kind finds again: trampolines of one text lie together.

/** Slots in which a pun of four bytes found a place, by bits 24..31 of its reach: engine pointers, of the plan in bulk. */
const punned = memory.data(1024, 8);

function punnedEntry(reach: Reach): usize {
  return punned + ((((reach.base >> 24) & 255) as usize) << 2);
}

/** As `search` for a pun of four bytes in a plan in bulk. */
function searchPunned(reach: Reach, size: u32, memory: u32): Address {
  const entry = punnedEntry(reach);
  const known = load<u32>(entry);
  if (known != 0) {
    const slot = changetype<Slot>(known);
    const address = freeInSlot(slot, reach, size, allowedPages(slot, memory));
    if (address != 0) return address;
  }
  const high = highest(reach);
  let left = ROUND_MAX;
  for (let index = slotIndex(lowest(reach)); index < countSlots() && left != 0; index++, left--) {
    const slot = slotAt(index);
    if ((slot.base as i64) > high) return 0;
    const address = freeInSlot(slot, reach, size, allowedPages(slot, memory));
    if (address == 0) continue;
    store<u32>(entry, changetype<usize>(slot) as u32);
    return address;
  }
  return 0;
}

/** As `search` for a wide reach: goes on where the last one ended. */
function searchWide(reach: Reach, size: u32, memory: u32): Address {
  const low = lowest(reach);
  const high = highest(reach);
  for (let slot = startRound(roundOfWide, reach, memory); slot != null; slot = nextOfRound(roundOfWide)) {
    const base = slot.base as i64;
    const from = changetype<usize>(slot) == wideSlot ? (wideOffset as i64) : 0;
    const first = max(base + from, low);
    const last = min(base + SLOT_SIZE - size, high);
    if (first > last) continue;
    const offset = findFree(slot, (first - base) as u32, (last - base) as u32, size, allowedPages(slot, memory));
    if (offset < 0) continue;
    endRound(roundOfWide);
    wideSlot = changetype<usize>(slot);
    wideOffset = (offset as u32) + size;
    return slot.base + (offset as u64);
  }
  return 0;
}

/** As `search` for a reach with few slots in it. */
function searchNarrow(reach: Reach, size: u32, memory: u32): Address {
  const high = highest(reach);
  for (let index = slotIndex(lowest(reach)); index < countSlots(); index++) {
    const slot = slotAt(index);
    if ((slot.base as i64) > high) return 0;
    const address = freeInSlot(slot, reach, size, allowedPages(slot, memory));
    if (address != 0) return address;
  }
  return 0;
}

/** Whether a reach is one window of a slot's size: a pun of three bytes. It lies in two slots. */
function isOfSlotSize(reach: Reach): bool {
  return reach.count == 1 && reach.width == SLOT_SIZE;
}

/** As `search` for a pun of three bytes: in the upper slot first, at whose start the puns of a slot's size of text can all meet. */
function searchTwoSlots(reach: Reach, size: u32, memory: u32): Address {
  const low = lowest(reach);
  for (let index = slotIndex(highest(reach) + 1); index-- > 0;) {
    const slot = slotAt(index);
    if ((slot.base as i64) + SLOT_SIZE <= low) return 0;
    const address = freeInSlot(slot, reach, size, allowedPages(slot, memory));
    if (address != 0) return address;
  }
  return 0;
}

/** Whether a reach has a window in every slot. */
function isEverywhere(reach: Reach): bool {
  return reach.count == 0x10000 && reach.shift <= 16;
}

/** A free address of `size` bytes within a reach, in memory that is mapped; 0 when there is none. Takes nothing. */
export function search(reach: Reach, size: u32, memory: u32): Address {
  const low = lowest(reach);
  const high = highest(reach);
  if (low > high) return 0;
  if (isInBulk() && reach.count == 1 && reach.width == 0x1000000) return searchPunned(reach, size, memory);
  if (isWide(reach)) return searchWide(reach, size, memory);
  if (isOfSlotSize(reach)) return searchTwoSlots(reach, size, memory);
  if (!isEverywhere(reach)) return searchNarrow(reach, size, memory);
  for (let slot = startRound(roundOfSecond, reach, memory); slot != null; slot = nextOfRound(roundOfSecond)) {
    const address = freeInSlot(slot, reach, size, allowedPages(slot, memory));
    if (address == 0) continue;
    endRound(roundOfSecond);
    return address;
  }
  return 0;
}

// ---- Rounds: the existing slots of a reach, from where the last search ended
//
// A plan in bulk has thousands of slots, most of them full, or opened by a pun that nothing else can reach. It looks at
// those that it has mapped itself and that have room, and at few of them: the next slot costs less than a long search.

/** Slots of the plan in bulk that have room, in the order in which they were mapped: engine pointers. */
const roomy = memory.data(65536, 8);
let roomyCount: u32 = 0;
const ROUND_MAX: u32 = 24;

export function listSlot(slot: Slot): void {
  if (!isInBulk() || slot.listed) return;
  slot.listed = 1;
  store<u32>(roomy + (roomyCount++ << 2), changetype<usize>(slot) as u32);
}

/** The slot at an index of the list, without the full ones; null at its end. */
function roomyAt(index: u32): Slot | null {
  while (index < roomyCount) {
    const slot = changetype<Slot>(load<u32>(roomy + (index << 2)));
    if (!isFull(slot)) return slot;
    roomyCount -= 1;
    store<u32>(roomy + (index << 2), load<u32>(roomy + (roomyCount << 2)));
  }
  return null;
}

@unmanaged
export class Round {
  low: i64;
  high: i64;
  index: u32;
  left: u32;
  memory: u32;
  /** Index where the last round ended. */
  hint: u32;
}

const roundOfSecond = changetype<Round>(memory.data(offsetof<Round>(), 8));

/** Starts a round: gives the first slot, or null. */
export function startRound(round: Round, reach: Reach, memory: u32): Slot | null {
  round.low = lowest(reach) - (SLOT_SIZE - 1);
  round.high = highest(reach);
  round.memory = memory;
  const first: u32 = isInBulk() ? 0 : slotIndex(lowest(reach));
  const end = isInBulk() ? roomyCount : countSlots();
  if (first >= end || lowest(reach) > round.high) return null;
  round.index = (isInBulk() || memory == OPEN) && round.hint >= first && round.hint < end ? round.hint : first;
  // A round in bulk begins again at the list's end, another ends there.
  round.left = isInBulk() ? min(ROUND_MAX, end) : end - round.index;
  return slotOfRound(round);
}

/** The slot that a round is at, or the next one that can be used. */
function slotOfRound(round: Round): Slot | null {
  while (round.left != 0) {
    if (isInBulk() && round.index >= roomyCount) round.index = 0;
    const slot = isInBulk() ? roomyAt(round.index) : slotAt(round.index);
    if (slot != null) {
      const base = slot.base as i64;
      if (base >= round.low && base <= round.high && allowedPages(slot, round.memory) != 0) return slot;
    } else if (roomyCount == 0) return null;
    round.left -= 1;
    round.index += 1;
  }
  return null;
}

/** The next slot of a round, or null at its end. */
export function nextOfRound(round: Round): Slot | null {
  round.left -= 1;
  round.index += 1;
  return round.left == 0 ? null : slotOfRound(round);
}

/** The round has found what it was for. */
export function endRound(round: Round): void {
  round.hint = round.index;
}

/** Whether a slot of trampoline memory is in a reach or beside it. A cheap look before a search for many values. */
export function isNearTerritory(reach: Reach): bool {
  const low = lowest(reach) - SLOT_SIZE;
  const high = highest(reach) + SLOT_SIZE;
  const index = slotIndex(low);
  return low <= high && index < countSlots() && (slotAt(index).base as i64) <= high;
}

/**
 * The slots that a new mapping is tried in, for one reach: beside existing slots (BESIDE), and then at growing distances
 * from the site (NEW).
 */
@unmanaged
export class Tour {
  /** Bases of the first and the last slot of the reach. */
  first: i64;
  last: i64;
  /** The slot nearest to the site. */
  anchor: i64;
  /** In slots; 0 before the neighbours of existing slots are through. */
  distance: i64;
  /** Next existing slot, times two, plus the side. */
  neighbour: u32;
  /** 0: below, 1: above. */
  side: u32;
  memory: u32;
  /** So many more neighbours of existing slots are tried. */
  left: u32;
}

const TOUR_MAX: u32 = 32;

export function startTour(tour: Tour, reach: Reach, site: Address, memory: u32): void {
  // With the budget of mappings used up only neighbours can be had.
  tour.memory = isOutOfMappings() ? BESIDE : memory;
  const mask = ~((SLOT_SIZE - 1) as i64);
  tour.first = lowest(reach) & mask;
  tour.last = highest(reach) & mask;
  // Of two slots the upper one, as in `searchTwoSlots`.
  tour.anchor = isOfSlotSize(reach) ? tour.last : min(max((site as i64) & mask, tour.first), tour.last);
  const first = tour.first - SLOT_SIZE;
  // Near the site, when not all are tried.
  tour.neighbour = slotIndex(isInBulk() ? max(first, tour.anchor - (TOUR_MAX as i64) * (SLOT_SIZE >> 2)) : first) << 1;
  tour.distance = 0;
  tour.side = 0;
  tour.left = isInBulk() ? TOUR_MAX : 2 * DIRECTORY_MAX;
}

/** Whether there is a slot at `base`, which is beside the one of a neighbour's number. */
function isSlot(base: i64, neighbour: u32): bool {
  const index = neighbour >> 1;
  if ((neighbour & 1) == 0) return index != 0 && (slotAt(index - 1).base as i64) == base;
  return index + 1 < countSlots() && (slotAt(index + 1).base as i64) == base;
}

/** The next slot's base, or -1 at the end. */
export function nextOfTour(tour: Tour): i64 {
  if (isInBulk() && isDirectoryFull()) return -1;
  while (tour.neighbour >> 1 < countSlots() && tour.left != 0) {
    tour.left -= 1;
    const slot = slotAt(tour.neighbour >> 1);
    const base = (slot.base as i64) + ((tour.neighbour & 1) == 0 ? -(SLOT_SIZE as i64) : (SLOT_SIZE as i64));
    tour.neighbour += 1;
    if ((slot.base as i64) - SLOT_SIZE > tour.last) tour.neighbour = countSlots() << 1;
    if (isInBulk() && isSlot(base, tour.neighbour - 1)) continue;
    if (slot.mapped != 0 && base >= tour.first && base <= tour.last) return base;
  }
  if (tour.memory == BESIDE) return -1;
  // A short reach is walked slot by slot, a long one in steps that grow by half.
  const short = tour.last - tour.first <= 64 * (SLOT_SIZE as i64);
  while (tour.distance <= (tour.last - tour.first) >> 16) {
    const away = tour.distance * SLOT_SIZE;
    const base = tour.side == 0 ? tour.anchor - away : tour.anchor + away;
    if (tour.side == 1) tour.distance += short || tour.distance < 4 ? 1 : tour.distance >> 1;
    tour.side ^= 1;
    if (base >= tour.first && base <= tour.last) return base;
  }
  return -1;
}

/** Maps what a window of the reach needs in the slot at `base`; gives the slot when `size` bytes of it are free there. */
export function mapWindow(base: i64, reach: Reach, window: u32, size: u32): Slot | null {
  const low = windowLow(reach, window, base);
  const high = windowHigh(reach, window, base + SLOT_SIZE - size);
  const wholeOnly = highest(reach) - lowest(reach) > 64 * (SLOT_SIZE as i64);
  let at = low;
  while (at <= high) {
    const first = ((at - base) as u32) >> PAGE_SHIFT;
    const last = (((at - base) as u32) + size - 1) >> PAGE_SHIFT;
    const slot = ensureMapped(base as Address, first, last, wholeOnly);
    if (slot != null && freeInWindow(slot, reach, window, size, slot.mapped)) return slot;
    if (wholeOnly || isExhausted()) return null;
    at = base + (((first + 1) << PAGE_SHIFT) as i64);
  }
  return null;
}

/** Far enough to find free space in crowded surroundings, near enough for everything around the site. */
const HOME_DISTANCE: i64 = 0x40000000;

const newTour = changetype<Tour>(memory.data(offsetof<Tour>(), 8));

/** As `search`, in memory that is mapped for it: BESIDE or NEW. */
export function searchNew(reach: Reach, size: u32, site: Address, memory: u32): Address {
  if (lowest(reach) > highest(reach)) return 0;
  startTour(newTour, reach, site, memory);
  while (true) {
    const base = nextOfTour(newTour);
    if (base < 0 || isExhausted()) return 0;
    const end = endWindow(reach, base + SLOT_SIZE);
    for (let window = firstWindow(reach, base); window < end; window++) {
      const slot = mapWindow(base, reach, window, size);
      if (slot != null) return freeInWindow(slot, reach, window, size, slot.mapped);
    }
  }
}

const homeReach = changetype<Reach>(memory.data(offsetof<Reach>(), 8));

/** Sees to it that there is a slot that most jumps near `site` can reach: other slots are then mapped beside it. */
export function ensureHome(site: Address): void {
  setWindows(homeReach, site as i64, 0, 4, 0, 0);
  bound(homeReach, (site as i64) - HOME_DISTANCE, (site as i64) + HOME_DISTANCE);
  for (let index = slotIndex(homeReach.low); index < countSlots(); index++) {
    if ((slotAt(index).base as i64) > homeReach.high) break;
    if (slotAt(index).mapped == ALL_PAGES) return;
  }
  searchNew(homeReach, SLOT_SIZE >> 1, site, NEW);
}

/** A plan begins: no search has gone before. */
export function beginSearches(): void {
  wideSlot = 0;
}

/** The plan that was begun has sites by the thousand. */
export function beginSearchesInBulk(): void {
  roomyCount = 0;
  memory.fill(punned, 0, 1024);
}
