// Instructions whose `lock` prefix the branch in front of them jumps over: glibc's, where there is one thread.
//
//            0  1  2  3  4  5  6
//   before  74 01 f0 0f b1 .. ..     je 3 | lock cmpxchg ..
//   after   74 00 e9 xx xx xx xx     je 2 | jmp: to the trampoline of `lock cmpxchg ..`
//
// Such an instruction has two entries, and room for no more than a trap at the first. But nothing that the program can see depends
// on the prefix when it has one thread, and it has the prefix when there are more: the branch may as well lead to it. The
// instruction is then one like others, and its hooks are called on both ways.
//
// A branch that is no site, and that no tactic has evicted, is written in place, with a record of its own (REDIRECTED).
// One with a trampoline leads to the prefix from there (LEADS_TO_PREFIX).

import { FLOW_JUMP_CONDITIONAL, Instruction } from "../x86/instruction";
import { INSIDE, WHOLE } from "../scan/instructions";
import { Cluster, decodeAt } from "./cluster";
import { LOCK_FREE, LOCK_PENDING, LOCK_WRITTEN, lock, locksOf } from "./locks";
import { Moved, addRecord, findPlanned, setMoved } from "./placement";
import { LEADS_TO_PREFIX, REDIRECTED, Record, originalBytes } from "./record";

const LOCK_BYTE: u8 = 0xf0;
/** Bytes of a branch with a rel8; and the offset of that. */
const BRANCH_SIZE: u32 = 2;
const REL8: u32 = 1;
/** What a redirected branch writes, and the byte behind it, which must stay what the plan has made of it. */
const REDIRECTED_LOCKED: u8 = 3;

const branch = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));
const moved = changetype<Moved>(memory.data(offsetof<Moved>(), 8));
const bytes = memory.data(2, 8);

/** Whether the instruction is a conditional branch over one byte. */
export function skipsOneByte(instruction: Instruction, code: usize): bool {
  if (instruction.flow != FLOW_JUMP_CONDITIONAL || (instruction.length as u32) != BRANCH_SIZE) return false;
  return load<u8>(code + REL8) == 1;
}

/** Whether scan/instructions.ts has marked the instruction at an offset as one that is entered behind its prefix, too. */
export function isPrefixSkipped(cluster: Cluster, offset: u32): bool {
  if ((load<u8>(cluster.boundary + offset) & WHOLE) == 0 || offset < BRANCH_SIZE) return false;
  return offset + 1 < cluster.size && load<u8>(cluster.boundary + offset + 1) == INSIDE;
}

/** The branch of a record leads to the prefix from its trampoline on. */
function leadFromTrampoline(record: Record): void {
  record.entry = LEADS_TO_PREFIX;
  record.locked = max(record.locked, REDIRECTED_LOCKED);
}

function redirect(cluster: Cluster, offset: u32): void {
  decodeAt(cluster, offset, branch);
  setMoved(moved, REDIRECTED, branch, cluster.code + offset, cluster.address + (offset as u64), 0);
  const pointer = addRecord(moved, REDIRECTED);
  if (pointer == 0) return;
  changetype<Record>(pointer).locked = REDIRECTED_LOCKED;
  store<u8>(cluster.code + offset + REL8, 0);
  lock(cluster.locks, offset, BRANCH_SIZE, LOCK_WRITTEN);
}

/**
 * Makes the branch in front of a site lead to the site's prefix, so that the site has one entry.
 * @param offset the site's, of which `isPrefixSkipped` holds
 */
export function leadToPrefix(cluster: Cluster, offset: u32): void {
  const at = offset - BRANCH_SIZE;
  const locks = locksOf(cluster.locks, at, BRANCH_SIZE);
  if (locks == LOCK_FREE) redirect(cluster, at);
  else if (locks != LOCK_PENDING) {
    const pointer = findPlanned(cluster.address + (at as u64));
    if (pointer == 0) return; // a pun depends on it
    leadFromTrampoline(changetype<Record>(pointer));
  }
  store<u8>(cluster.boundary + offset + 1, 0);
}

/**
 * A branch over one byte was a site, and has had its turn after the instruction behind it.
 * @param offset the branch's
 * @param hasTrampoline whether it was patched
 */
export function settleBranch(cluster: Cluster, offset: u32, hasTrampoline: bool): void {
  const address = cluster.address + (offset as u64);
  const next = findPlanned(address + (BRANCH_SIZE as u64));
  if (next == 0 || load<u8>(originalBytes(changetype<Record>(next))) != LOCK_BYTE) return;
  if (!hasTrampoline) return redirect(cluster, offset);
  const own = findPlanned(address);
  assert(own != 0, "a site that was patched has no record");
  leadFromTrampoline(changetype<Record>(own));
}

/** The bytes that are to be relocated for a record: the original ones, but for a branch that leads to a prefix. */
export function bytesToRelocate(record: Record): usize {
  const original = originalBytes(record);
  if (record.entry != LEADS_TO_PREFIX) return original;
  store<u8>(bytes, load<u8>(original));
  store<u8>(bytes, 0, REL8);
  return bytes;
}
