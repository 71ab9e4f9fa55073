// Objects that are run and written in views of their own (jit/views.ts), and that children of fork(2) share.
//
// A child may write to them where its parent does not see it. So all views run as they are from a fork on: they are lent. They are
// split again when no child shows them any more; most become other programs at once. /proc/PID/maps tells, and is asked
// when the program makes one of its memory calls, ever more seldom. A child's own children are unknown to its parent: a word that
// all of them share says that there are some.
//
// All functions expect the caller to hold the engine lock.

import { addressOf, isError, syscall3 } from "../kernel/calls";
import { ENOENT } from "../kernel/errno";
import { closeMaps, mapDevice, mapInode, nextMap, openMaps } from "../kernel/maps-file";
import { SYS_MMAP, SYS_READLINK } from "../kernel/numbers";
import { MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE } from "../load/map";
import { claimMemory } from "../own-memory";
import { Address, peek32, poke32, syscall } from "../process";
import { isFiltered } from "../seccomp/filters";
import { appendDecimal, appendText } from "../text";
import { surrender } from "./calls";
import {
  FOREIGN,
  PAGE_SIZE,
  VIEW,
  WRITTEN,
  addSplit,
  kernelProtection,
  milliseconds,
  nextSplit,
  protectPages,
  splitEnd,
  splitProtection,
  splitStart,
  splitState,
} from "./pages";
import { removeView, viewAt, viewCount } from "./views";

/** Processes that may show an object of this one's. */
const SHARERS_MAX: u32 = 32;
const sharers = memory.data(128, 8);
let sharerCount: u32 = 0;

/** Whether views are lent, and may come back. */
export let areLent: bool = false;
/** Whether there are sharers that nothing is known of: what is lent stays lent. */
let isForever: bool = false;

/** The word for this process's children, and that of its parent; 0 when there is none. It is 1 when a child has forked. */
let word: Address = 0;
let parentsWord: Address = 0;

/** Milliseconds between two looks at most, between the last two, and when the next one is due. */
const PATIENCE_MAX: u64 = 1024;
let patience: u64 = 1;
let nextLook: u64 = 0;

function makeWord(): void {
  if (word != 0 || isForever) return;
  const got = syscall(SYS_MMAP, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  isForever = isError(got) || !claimMemory(got as u64, (got as u64) + PAGE_SIZE);
  if (!isForever) word = got as u64;
}

/** Memory is about to be copied for a child. */
export function lendViews(): void {
  if (parentsWord != 0) poke32(parentsWord, 1);
  if (viewCount == 0) return;
  makeWord();
  surrender(0, u64.MAX_VALUE, VIEW);
  areLent = true;
  patience = 1;
  nextLook = milliseconds() + patience;
}

/** In the child: nothing of what its parent has is a view. */
export function inheritViews(): void {
  if (word != 0) parentsWord = word;
  word = 0;
  areLent = false;
  isForever = false;
  sharerCount = 0;
  for (let at: Address = 0; nextSplit(at, u64.MAX_VALUE); at = splitEnd)
    if (splitProtection & VIEW) addSplit(splitStart, splitEnd, splitProtection & ~VIEW, FOREIGN);
  while (viewCount != 0) removeView(viewCount - 1);
}

const self = memory.data(16, 8);
const link = memory.data(32, 8);
const number = memory.data(32, 8);

/** Whether /proc knows the processes by the numbers that this one, `pid`, knows them by. */
function isOwnProc(pid: u32): bool {
  store<u8>(appendText(self, "/proc/self"), 0);
  const size = syscall3(SYS_READLINK, addressOf(self), addressOf(link), 31);
  if (isError(size)) return false;
  const end = appendDecimal(number, pid);
  return end - number == (size as usize) && memory.compare(number, link, size as usize) == 0;
}

/** Whether the last line of a maps file is a view of an object that has views here. */
function isMapOfView(): bool {
  for (let i: u32 = 0; i < viewCount; i++)
    if (viewAt(i).device == mapDevice && viewAt(i).inode == mapInode) return true;
  return false;
}

/** Whether a process may show an object that has views here. One whose first thread has ended shows nothing, and may be there still. */
function isSharing(pid: u32): bool {
  const result = openMaps(pid);
  if (result != 0) return result != -ENOENT;
  let lines: u32 = 0;
  let found = false;
  while (!found && nextMap()) {
    lines += 1;
    found = isMapOfView();
  }
  closeMaps();
  return found || lines == 0;
}

/** Forgets those sharers that show nothing any more. */
function dropGone(): void {
  let left: u32 = 0;
  for (let i: u32 = 0; i < sharerCount; i++) {
    const pid = load<u32>(sharers + (i << 2));
    if (isSharing(pid)) store<u32>(sharers + (left++ << 2), pid);
  }
  sharerCount = left;
}

/** Memory was copied for the process `child`, in the parent `pid`. An error stands for no child. */
export function noteSharer(pid: u32, child: i64): void {
  if (!areLent || isError(child) || isForever) return;
  isForever = isFiltered || !isOwnProc(pid);
  if (!isForever && sharerCount == SHARERS_MAX) dropGone();
  isForever = isForever || sharerCount == SHARERS_MAX;
  if (!isForever) store<u32>(sharers + (sharerCount++ << 2), child as u32);
}

/** Splits the views again if nobody else shows them. Only while `areLent`. */
export function takeViewsBack(): void {
  if (isForever || isFiltered || (word != 0 && peek32(word) != 0)) {
    areLent = false;
    return;
  }
  const now = milliseconds();
  if (now < nextLook) return;
  patience = min(2 * patience, PATIENCE_MAX);
  nextLook = now + patience;
  while (sharerCount != 0 && !isSharing(load<u32>(sharers + ((sharerCount - 1) << 2)))) sharerCount -= 1;
  if (sharerCount != 0) return;
  areLent = false;
  for (let at: Address = 0; nextSplit(at, u64.MAX_VALUE); at = splitEnd) {
    if (!(splitProtection & VIEW) || splitState != FOREIGN) continue;
    // The kernel may refuse what it gave: then the part stays as it is.
    if (protectPages(splitStart, splitEnd, kernelProtection(splitProtection, WRITTEN)))
      addSplit(splitStart, splitEnd, splitProtection, WRITTEN);
  }
}
