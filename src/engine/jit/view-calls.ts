// What the program's calls do to views of one object (jit/views.ts).
//
// A view to run is mapped as that, or becomes one when mprotect first makes part of it executable: .NET reserves it without access,
// and gives its parts protections of their own. Each of them is what its part of jit/pages.ts says from then on.
//
// An object is given up, and runs as it is, when it cannot be followed: two views of the same page are run, one can be run and
// written at once, one moves or is sealed, or there are too many.
//
// All functions expect the caller to hold the engine lock.

import {
  closeMaps,
  findMap,
  isMapDeleted,
  isMapShared,
  mapDevice,
  mapEnd,
  mapInode,
  mapOffset,
  mapProtection,
  mapStart,
  nextMap,
  openMaps,
} from "../kernel/maps-file";
import { refusesExecution } from "../kernel/write-execute";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../load/map";
import { hasOwnMemory } from "../own-memory";
import { Address } from "../process";
import { isFiltered } from "../seccomp/filters";
import { isTorn } from "../thread/lock";
import { isShared } from "../patch/private-pages";
import { surrender } from "./calls";
import { areLent } from "./lend";
import {
  FOREIGN,
  VIEW,
  WRITTEN,
  addSplit,
  nextSplit,
  protectPages,
  splitEnd,
  splitProtection,
  splitStart,
  splitState,
} from "./pages";
import { openSplit } from "./turn";
import {
  View,
  addView,
  chooseObject,
  cutViews,
  device,
  identify,
  inode,
  isOfObject,
  isViewed,
  makeShadow,
  overlap,
  protectViews,
  removeView,
  sameEnd,
  sameStart,
  viewAt,
  viewCount,
} from "./views";

/** What a view shows in [start, end) can be run nowhere from now on. @returns whether it could be somewhere */
function openRun(view: View, start: Address, end: Address): bool {
  let isShown = false;
  for (let i: u32 = 0; i < viewCount; i++) {
    const run = viewAt(i);
    if (run.shadow == 0 || !overlap(view, start, end, run)) continue;
    openSplit(sameStart, sameEnd);
    isShown = true;
  }
  return isShown;
}

/** [start, end) is about to be written. @returns whether views there show what can be run */
export function openShown(start: Address, end: Address): bool {
  let isShown = false;
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    if (view.protection & PROT_WRITE && view.start < end && view.end > start)
      isShown = openRun(view, start, end) || isShown;
  }
  return isShown;
}

/** The file of a descriptor is about to be written; -1 stands for none. */
export function openFile(descriptor: u64): void {
  if (viewCount == 0 || descriptor == -1) return;
  identify(descriptor);
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    if (view.shadow != 0 && isOfObject(view)) openSplit(view.start, view.end);
  }
}

/** [start, end) is no view any more, and runs as it is. */
function giveUpRange(start: Address, end: Address): void {
  surrender(start, end, VIEW);
  for (let at = start; nextSplit(at, end); at = splitEnd)
    if (splitProtection & VIEW) addSplit(splitStart, splitEnd, splitProtection & ~VIEW, FOREIGN);
}

/** Gives up an object: what is run first, so that what is written is open. */
function giveUp(ofDevice: u64, ofInode: u64): void {
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    if (view.shadow != 0 && view.device == ofDevice && view.inode == ofInode) giveUpRange(view.start, view.end);
  }
  for (let i: u32 = 0; i < viewCount;) {
    if (viewAt(i).device == ofDevice && viewAt(i).inode == ofInode) removeView(i);
    else i++;
  }
}

/** Gives up what has a view in [start, end). */
export function giveUpViews(start: Address, end: Address): void {
  for (let i: u32 = 0; i < viewCount;) {
    const view = viewAt(i++);
    if (view.start >= end || view.end <= start) continue;
    giveUp(view.device, view.inode);
    i = 0;
  }
}

/** Whether an mmap may show, to be run, what the program writes elsewhere. `identify` has found the object then. */
export function isRunView(protection: u64, descriptor: u64): bool {
  if (!(protection & PROT_EXEC) || protection & PROT_WRITE || refusesExecution || isTorn() || isFiltered) return false;
  return identify(descriptor);
}

/** Finds the other views of the object in /proc/self/maps; false when one of them can be run, or they cannot be known. */
function addOthers(start: Address, end: Address): bool {
  if (openMaps(0) != 0) return false;
  let isFound = false;
  let isKnown = true;
  while (isKnown && nextMap()) {
    if (mapDevice != device || mapInode != inode || !isMapShared) continue;
    if (mapStart >= start && mapEnd <= end) isFound = true;
    else if (hasOwnMemory(mapStart, mapEnd)) continue;
    else if (mapProtection & PROT_EXEC) isKnown = false;
    else isKnown = addView(mapStart, mapEnd, mapOffset, mapProtection, 0);
  }
  closeMaps();
  return isFound && isKnown;
}

/** Whether `size` bytes of the object from `offset` on are run in another view. */
function isRunElsewhere(offset: u64, size: u64): bool {
  for (let i: u32 = 0; i < viewCount; i++) {
    const view = viewAt(i);
    if (!isOfObject(view) || view.shadow == 0) continue;
    if (view.offset < offset + size && offset < view.offset + (view.end - view.start)) return true;
  }
  return false;
}

/**
 * [start, end), which shows the object that `identify` has found from `offset` on, is a view to run. No thread can run it now.
 * @returns whether it is split; if not, the object is given up
 */
function addRunView(start: Address, end: Address, protection: u64, offset: u64): bool {
  const isLent = areLent && isViewed();
  const ofDevice = device;
  const ofInode = inode;
  const isKnown = isViewed() ? !isRunElsewhere(offset, end - start) : addOthers(start, end);
  const shadow = isKnown ? makeShadow(start, end - start) : 0;
  if (shadow != 0 && addView(start, end, offset, 0, shadow)) {
    addSplit(start, end, protection | VIEW, isLent ? FOREIGN : WRITTEN);
    return true;
  }
  giveUp(ofDevice, ofInode);
  return false;
}

/**
 * An mmap of `isRunView` has given [start, end), which shows the object from `offset` on, and can be run until now.
 * @returns whether it is split
 */
export function noteRunView(start: Address, end: Address, protection: u64, offset: u64): bool {
  const isClosed = protectPages(start, end, PROT_READ);
  const isSplit = isClosed && addRunView(start, end, protection, offset);
  if (isClosed && !(isSplit && nextSplit(start, end) && splitState == WRITTEN)) protectPages(start, end, protection);
  return isSplit;
}

/** The mapping that `findMap` has found becomes a view to run, if it is one of a file without a name. Where it ends. */
function adopt(): Address {
  const start = mapStart;
  const end = mapEnd;
  const protection = mapProtection;
  if (!isMapShared || !isMapDeleted || protection & PROT_EXEC || hasOwnMemory(start, end)) return end;
  chooseObject(mapDevice, mapInode);
  const offset = mapOffset;
  forgetViews(start, end);
  addRunView(start, end, protection, offset);
  return end;
}

/** mprotect is about to make [start, end) executable. What shows a file without a name there becomes a view to run. */
export function adoptRunViews(start: Address, end: Address): void {
  if (refusesExecution || isTorn() || isFiltered) return;
  for (let at = start; at < end;) {
    if (nextSplit(at, end) && splitStart == at) at = splitEnd;
    else if (!isShared(at) || !findMap(at)) return;
    else at = adopt();
  }
}

/** An mmap has given [start, end), a view of a descriptor's object from `offset` on that is not to be split. */
export function noteView(start: Address, end: Address, protection: u64, descriptor: u64, offset: u64): void {
  identify(descriptor);
  if (!isViewed()) return;
  if (protection & PROT_EXEC || !addView(start, end, offset, protection, 0)) return giveUp(device, inode);
  openShown(start, end);
}

/** [start, end) shows nothing any more. */
export function forgetViews(start: Address, end: Address): void {
  if (!cutViews(start, end)) giveUpViews(0, u64.MAX_VALUE);
}

/** Whether a view can be followed when part of it gets a protection. */
function staysKnown(view: View, protection: u64): bool {
  const both = PROT_WRITE | PROT_EXEC;
  return view.shadow != 0 ? (protection & both) != both : !(protection & PROT_EXEC);
}

/** mprotect is about to give [start, end) a protection. */
export function openViews(start: Address, end: Address, protection: u64): void {
  for (let i: u32 = 0; i < viewCount;) {
    const view = viewAt(i++);
    if (view.start >= end || view.end <= start) continue;
    if (!staysKnown(view, protection)) {
      giveUp(view.device, view.inode);
      i = 0;
    } else if (view.shadow == 0 && protection & PROT_WRITE) openRun(view, start, end);
  }
}

/** mprotect has given [start, end) a protection. */
export function noteProtection(start: Address, end: Address, protection: u64): void {
  if (!protectViews(start, end, protection)) giveUpViews(0, u64.MAX_VALUE);
}
