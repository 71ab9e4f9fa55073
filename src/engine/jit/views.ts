// Views of one object: memory that a program runs in one place and writes in another, both shared (memfd_create(2), as Erlang does).
//
// Here a page of the view that is run is in one of the states of jit/pages.ts, as other split pages. What goes with them:
//
//   WRITTEN    it is shared, and cannot be run; the views that are written are as the program has them
//   SEARCHED,  it is a private copy, so that patches change nothing that others see; nobody can write to the other views of
//   PATCHED    it: who does faults, and it is WRITTEN again
//
// A copy takes the page's place, and the shared page that of a copy, in one mremap(2) each: who reads there sees no other bytes.
// The shared page comes from the view's shadow, a second view of the engine's own, by an old size of 0 (mm/mremap.c). The
// program's descriptor may long be closed by then.
//
// All functions expect the caller to hold the engine lock.

import { addressOf, isError, syscall2 } from "../kernel/calls";
import { SYS_FSTAT, SYS_MREMAP, SYS_MUNMAP } from "../kernel/numbers";
import { PROT_READ, PROT_WRITE } from "../load/map";
import { claimMemory, releaseMemory } from "../own-memory";
import { mapAgain, replaceByCopies } from "../patch/private-pages";
import { Address, syscall } from "../process";
import { protectPages } from "./pages";
import { spendReserve } from "./reserve";

/** Part of an object that the program has mapped. */
@unmanaged
export class View {
  start: Address;
  end: Address;
  /** In the object, bytes. */
  offset: u64;
  device: u64;
  inode: u64;
  /** What the program asked for, of a view that is not run. Others are split (jit/pages.ts). */
  protection: u64;
  /** The second view of one that is run, as long as it; or 0. */
  shadow: Address;
}

const VIEWS_MAX: u32 = 1024;
const VIEW_SIZE: usize = offsetof<View>();
const views = memory.data(57344, 8);
/** How many views there are, those that are run and those that are not. */
export let viewCount: u32 = 0;

/** One of them, in no order: `removeView` puts the last into its place. */
export function viewAt(index: u32): View {
  return changetype<View>(views + (index as usize) * VIEW_SIZE);
}

/** Of the last `identify`, or `chooseObject`: the object. */
export let device: u64 = 0;
export let inode: u64 = 0;
/** struct stat: st_dev, st_ino, st_nlink, st_mode. */
const stat = memory.data(144, 8);
const LINKS: usize = 16;
const MODE: usize = 24;
const S_IFMT: u32 = 0xf000;
const S_IFREG: u32 = 0x8000;

/**
 * Finds out which object a descriptor is of.
 * @returns whether it is a file without a name: nobody else will come to write to it
 */
export function identify(descriptor: u64): bool {
  device = 0;
  inode = 0;
  if (isError(syscall2(SYS_FSTAT, descriptor, addressOf(stat)))) return false;
  device = load<u64>(stat);
  inode = load<u64>(stat, 8);
  return load<u64>(stat, LINKS) == 0 && (load<u32>(stat, MODE) & S_IFMT) == S_IFREG;
}

/** As `identify`, of an object that is known by its numbers. */
export function chooseObject(ofDevice: u64, ofInode: u64): void {
  device = ofDevice;
  inode = ofInode;
}

/** Whether a view shows the object that `identify` has found. */
export function isOfObject(view: View): bool {
  return view.device == device && view.inode == inode;
}

/** Whether the object that `identify` has found has views here. */
export function isViewed(): bool {
  for (let i: u32 = 0; i < viewCount; i++) if (isOfObject(viewAt(i))) return true;
  return false;
}

/** Notes a view of the object that `identify` has found. False when there is no room. */
export function addView(start: Address, end: Address, offset: u64, protection: u64, shadow: Address): bool {
  if (viewCount == VIEWS_MAX) return false;
  const view = viewAt(viewCount++);
  view.start = start;
  view.end = end;
  view.offset = offset;
  view.device = device;
  view.inode = inode;
  view.protection = protection;
  view.shadow = shadow;
  return true;
}

/** A second view of [start, start + size), which can be read; 0 when there is no memory for it. */
export function makeShadow(start: Address, size: u64): Address {
  const shadow = mapAgain(start, size);
  if (isError(shadow)) return 0;
  const end = (shadow as u64) + size;
  if (protectPages(shadow as u64, end, PROT_READ) && claimMemory(shadow as u64, end)) return shadow as u64;
  syscall2(SYS_MUNMAP, shadow as u64, size);
  return 0;
}

function dropShadow(shadow: Address, size: u64): void {
  if (shadow == 0) return;
  releaseMemory(shadow, shadow + size);
  syscall2(SYS_MUNMAP, shadow, size);
}

/** Forgets a view, and unmaps its shadow. */
export function removeView(index: u32): void {
  const view = viewAt(index);
  dropShadow(view.shadow, view.end - view.start);
  viewCount -= 1;
  if (index != viewCount) memory.copy(changetype<usize>(view), changetype<usize>(viewAt(viewCount)), VIEW_SIZE);
}

/** [start, end), whole pages, shows nothing any more. False when there is no room for what is left on both sides. */
export function cutViews(start: Address, end: Address): bool {
  let isWhole = true;
  for (let i: u32 = 0; i < viewCount;) {
    const view = viewAt(i);
    if (view.start >= end || view.end <= start) {
      i++;
      continue;
    }
    if (view.start >= start && view.end <= end) {
      removeView(i);
      continue;
    }
    if (view.end > end && view.start < start) isWhole = copyRest(view, end) && isWhole;
    const from = max(view.start, start);
    const to = min(view.end, end);
    if (view.shadow != 0) dropShadow(view.shadow + (from - view.start), to - from);
    if (view.start < start) view.end = start;
    else {
      view.offset += end - view.start;
      if (view.shadow != 0) view.shadow += end - view.start;
      view.start = end;
    }
    i++;
  }
  return isWhole;
}

/** A view is about to end: what it shows from an address on becomes one of its own. */
function copyRest(view: View, from: Address): bool {
  if (viewCount == VIEWS_MAX) {
    if (view.shadow != 0) dropShadow(view.shadow + (from - view.start), view.end - from);
    return false;
  }
  const rest = viewAt(viewCount++);
  memory.copy(changetype<usize>(rest), changetype<usize>(view), VIEW_SIZE);
  rest.start = from;
  rest.offset += from - view.start;
  if (view.shadow != 0) rest.shadow += from - view.start;
  return true;
}

/** Makes one view of neighbours that are parts of one. */
function joinNeighbours(): void {
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    for (let k: u32 = 0; view.shadow == 0 && k < viewCount;) {
      const next = viewAt(k);
      k++;
      if (next.start != view.end || next.shadow != 0 || next.protection != view.protection) continue;
      if (next.device != view.device || next.inode != view.inode) continue;
      if (next.offset != view.offset + (view.end - view.start)) continue;
      view.end = next.end;
      removeView(k - 1);
      return joinNeighbours();
    }
  }
}

/** Views in [start, end) that are not run have a protection from now on. False when there is no room for parts of one. */
export function protectViews(start: Address, end: Address, protection: u64): bool {
  let isWhole = true;
  let isChanged = false;
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    if (view.shadow != 0 || view.start >= end || view.end <= start || view.protection == protection) continue;
    isChanged = true;
    if (view.end > end) isWhole = copyRest(view, end) && isWhole;
    view.end = min(view.end, end);
    if (view.start >= start) {
      view.protection = protection;
      continue;
    }
    // Its turn comes.
    isWhole = copyRest(view, start) && isWhole;
    view.end = start;
  }
  if (isChanged) joinNeighbours();
  return isWhole;
}

/** Whether something in [start, end) is a view. */
export function hasViewIn(start: Address, end: Address): bool {
  for (let i: u32 = 0; i < viewCount; i++) if (viewAt(i).start < end && viewAt(i).end > start) return true;
  return false;
}

/** Of the last `overlap`: what of a view shows the same as a part of another one. */
export let sameStart: Address = 0;
export let sameEnd: Address = 0;

/** Whether `other` shows something of what `view` shows in [start, end). */
export function overlap(view: View, start: Address, end: Address, other: View): bool {
  if (view.device != other.device || view.inode != other.inode) return false;
  const from = max(view.start, start) - view.start + view.offset;
  const to = min(view.end, end) - view.start + view.offset;
  const low = max(from, other.offset);
  const high = min(to, other.offset + (other.end - other.start));
  if (from >= to || low >= high) return false;
  sameStart = other.start + (low - other.offset);
  sameEnd = other.start + (high - other.offset);
  return true;
}

/** Gives the views that are written, of what is run in [start, end), the right to write, or takes it away; false when the kernel refuses. */
function protectWriters(start: Address, end: Address, isOpen: bool): bool {
  let isDone = true;
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    if (view.shadow == 0 || view.start >= end || view.end <= start) continue;
    for (let k: u32 = 0; k < viewCount; k++) {
      const writer = viewAt(k);
      if (!(writer.protection & PROT_WRITE) || !overlap(view, start, end, writer)) continue;
      const protection = isOpen ? writer.protection : (writer.protection & ~PROT_WRITE) | PROT_READ;
      isDone = protectPages(sameStart, sameEnd, protection) && isDone;
    }
  }
  return isDone;
}

/**
 * Puts private copies in the place of shared pages of a view that is run, which nobody can write to from now on. They can be
 * read, and not be run.
 * @returns false when there is no memory; they are as they were then
 */
export function isolate(start: Address, end: Address): bool {
  if (protectWriters(start, end, false) && replaceByCopies(start, end - start, PROT_READ)) return true;
  protectWriters(start, end, true);
  return false;
}

const MREMAP_MAYMOVE_FIXED: u64 = 3;

function show(shadow: Address, size: u64, at: Address): bool {
  return syscall(SYS_MREMAP, shadow, 0, size, MREMAP_MAYMOVE_FIXED, at, 0) == (at as i64);
}

/** Shows the shared pages again, which `isolate` put copies in the place of. They can be read, and be written elsewhere. */
export function join(start: Address, end: Address): void {
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    if (view.shadow == 0 || view.start >= end || view.end <= start) continue;
    const from = max(start, view.start);
    const size = min(end, view.end) - from;
    const shadow = view.shadow + (from - view.start);
    const isShown = show(shadow, size, from) || (spendReserve() && show(shadow, size, from));
    assert(isShown, "the kernel does not show shared code again");
  }
  const isOpen = protectWriters(start, end, true);
  assert(isOpen, "the kernel does not let shared code be written again");
}
