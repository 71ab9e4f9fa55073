// Sites that are proven by what runs. Bytes that look like data, or a `syscall` that could not be patched when its code was
// mapped, have just been executed: Syscall User Dispatch caught the call (thread/dispatched-call.ts). From here on the site is
// patched like any other, while other threads may be running next to it.
//
// What was executed is the two bytes of the `syscall`, and nothing else is proven. Where the surroundings look like data, only
// these two bytes change: a pun (B2, T1), whose rel32 ends in the bytes behind, which stay. Where they look like code, all
// tactics may be tried. A site that no tactic fits is caught each time, which costs what a trap does.
//
// Only code that the engine knows (patch/code-map.ts) and that nobody can write is patched: what the program writes in place,
// or through another view, may be something else at the next execution. Its sites are caught each time, too.
//
// The pages are closed while they are written (patch/code-map.ts). Each instruction start is a place from which control finds
// what it found before, or a jump to it, so a thread goes on anywhere.

import { syscall3, syscall1 } from "../kernel/calls";
import { SYS_MPROTECT, SYS_PRCTL } from "../kernel/numbers";
import { pageCeil, pageFloor } from "../load/elf";
import { Address, copyOut, tryCopyIn } from "../process";
import { EVIDENCE_CODE, markBehind, markFront, weigh } from "../scan/evidence";
import { FATE_B1, countFate, countProven } from "../stats/counters";
import { countLeftAloneNoMore } from "../stats/left-alone";
import { isFiltered } from "../seccomp/filters";
import { ThreadBlock } from "../thread/block";
import { isTorn, lockEngine, unlockEngine } from "../thread/lock";
import { SYSCALL_TRAMPOLINE_SIZE, emitSyscallTrampoline } from "../thread/trampoline";
import { describeAgain } from "../debug/describe";
import { Cluster } from "./cluster";
import { PATCHED, codeEnd, codeProtection, codeStart, codeState, nextCode, rememberClosed } from "./code-map";
import { LOCK_PENDING, LOCK_WRITTEN, lock } from "./locks";
import { islandOf, outpostFor, reachHigh, reachLow } from "./outpost";
import {
  TACTIC_B1,
  abandonPlan,
  addCluster,
  beginPlan,
  boundTrampolines,
  commitPlan,
  endPlan,
  planCluster,
} from "./plan";
import { isShared } from "./private-pages";
import { ALONE, Record, carryLocks, restoreCopy } from "./record";
import { SITE_LENGTH, SLACK } from "./sites";
import { SYSCALL_BYTES, TRAP_BYTES, isTrapped } from "./traps";

const PROT_READ: u64 = 1;
const PROT_WRITE: u64 = 2;
const PR_GET_MDWE: u64 = 66;

/** The code around the site as it was before anything was patched. */
const original = memory.data(512, 8);
const offsets = memory.data(8, 8);
const fate = memory.data(8, 8);
let outpost: Address = 0;

/** Sites that are caught each time, by a hash of their address: what a collision forgets is only tried again. */
const REFUSED_COUNT: u64 = 1024;
const refused = memory.data(8192, 8);

function refusedEntry(site: Address): usize {
  return refused + ((((site ^ (site >> 10) ^ (site >> 20)) & (REFUSED_COUNT - 1)) as usize) << 3);
}

function emit(pointer: usize, recordPointer: usize, resume: Address): u32 {
  const record = changetype<Record>(recordPointer);
  emitSyscallTrampoline(pointer, record.address, record.original, outpost, islandOf(outpost), resume);
  return SYSCALL_TRAMPOLINE_SIZE;
}

/** Finds the code that a site is in: `codeStart` to `codeEnd`, no more than tactics may use. */
function findCode(site: Address): bool {
  const end = site + SITE_LENGTH + SLACK;
  let at = site - SLACK;
  while (nextCode(at, end) && codeEnd <= site) at = codeEnd;
  return codeStart <= site && site + SITE_LENGTH <= codeEnd && codeState == PATCHED;
}

/** Keeps a plan off what other patches wrote, traps among them, and off other places that may be proven yet. */
function lockOthers(cluster: Cluster, own: u32): void {
  carryLocks(cluster.locks, cluster.address, cluster.size);
  for (let i: u32 = 0; i + 1 < cluster.size; i++) {
    const bytes = load<u16>(cluster.code + i);
    if (bytes == TRAP_BYTES && isTrapped(cluster.address + (i as u64))) lock(cluster.locks, i, 2, LOCK_WRITTEN);
    if (bytes == SYSCALL_BYTES && i != own) lock(cluster.locks, i, 2, LOCK_PENDING);
  }
}

/** Plans the site in [low, high). @returns its cluster, or 0 when no tactic fits and the plan is over */
function planAt(site: Address, low: Address, high: Address): usize {
  beginPlan(SYSCALL_TRAMPOLINE_SIZE, emit, null);
  boundTrampolines(reachLow(outpost), reachHigh(outpost));
  const pointer = addCluster(low, (high - low) as u32);
  if (pointer == 0) {
    abandonPlan();
    return 0;
  }
  const cluster = changetype<Cluster>(pointer);
  const offset = (site - low) as u32;
  if (tryCopyIn(cluster.code, low, cluster.size) != 0 || load<u16>(cluster.code + offset) != SYSCALL_BYTES) {
    abandonPlan();
    return 0;
  }
  memory.copy(original, cluster.code, cluster.size);
  restoreCopy(original, low, cluster.size);
  if (weigh(original, cluster.size, offset) == EVIDENCE_CODE) {
    markFront(original, cluster.size, offset, cluster.boundary);
    markBehind(original, cluster.size, offset, cluster.boundary, site, cluster.size);
  } else {
    store<u8>(cluster.boundary + offset, 1);
    cluster.cookie = ALONE;
  }
  lockOthers(cluster, offset);
  store<u32>(offsets, offset);
  if (planCluster(cluster, offsets, 1, fate) == 0) return pointer;
  abandonPlan();
  return 0;
}

/** Writes the cluster of the open plan into pages that threads may be running; false when that cannot be, and nothing has changed. */
function writeLive(cluster: Cluster, protection: u64): bool {
  const start = pageFloor(cluster.address);
  const size = pageCeil(cluster.address + (cluster.size as u64)) - start;
  rememberClosed(start, start + size);
  if (syscall3(SYS_MPROTECT, start, size, PROT_READ | PROT_WRITE) != 0) {
    abandonPlan();
    return false;
  }
  const isCommitted = commitPlan() == 0;
  if (isCommitted) copyOut(cluster.address, cluster.code, cluster.size);
  const result = syscall3(SYS_MPROTECT, start, size, protection);
  assert(result == 0, "the kernel does not give code its protection back");
  return isCommitted;
}

/** Patches a proven site; false when it has to be caught each time. */
function patchAt(site: Address): bool {
  if (!findCode(site)) return false;
  const protection = codeProtection;
  const low = codeStart;
  const high = codeEnd;
  if (protection & PROT_WRITE || !(protection & PROT_READ)) return false;
  // Memory that has not been executable all the time cannot become so again (PR_SET_MDWE).
  if (isShared(pageFloor(site)) || syscall1(SYS_PRCTL, PR_GET_MDWE) > 0) return false;
  outpost = outpostFor(low, high);
  if (outpost == 0) return false;
  const pointer = planAt(site, low, high);
  if (pointer == 0 || !writeLive(changetype<Cluster>(pointer), protection)) return false;
  endPlan();
  countLeftAloneNoMore(site);
  countFate(FATE_B1 + load<u8>(fate) - TACTIC_B1);
  countProven();
  describeAgain(low, high);
  return true;
}

/** A call of the thread was caught at a site: the next one is not, if that can be done. */
export function patchProven(thread: ThreadBlock, site: Address): void {
  // A filter may end the process for what this takes.
  if (isFiltered || load<u64>(refusedEntry(site)) == site) return;
  lockEngine(thread);
  if (!isTorn() && !patchAt(site)) store<u64>(refusedEntry(site), site);
  unlockEngine();
}
