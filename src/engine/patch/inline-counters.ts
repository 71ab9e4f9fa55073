// Counters in a trampoline: hooks whose `before` does nothing but add to counters are not called there, but do their sums in place.
//
// Each thread has counts of its own, which it finds through gs base like its block, so no lock is needed; who asks for a
// counter adds them up (hook/thread-counters.ts). RFLAGS are the program's: where they matter to what follows, the sum is done
// by an address (`lea`), else by the shorter way.
//
//    0  65 48 89 0c 25 <disp32>   mov    %rcx,%gs:SAVED_RCX
//    9  65 48 8b 0c 25 <disp32>   mov    %gs:COUNT,%rcx          these three for each counter
//   18  48 8d 49 <imm8>           lea    amount(%rcx),%rcx
//   22  65 48 89 0c 25 <disp32>   mov    %rcx,%gs:COUNT
//       65 48 8b 0c 25 <disp32>   mov    %gs:SAVED_RCX,%rcx
// or
//    0  65 48 83 04 25 <disp32> <imm8>   addq $amount,%gs:COUNT  for each counter
//
// A thread that is interrupted on its way has not begun the instruction (invariant I3): what it has added is taken back, and
// added when it comes again. When gs base is the program's, `f4` (hlt) stands in front and the signal gate adds.

import { BLOCK_OFFSET, BLOCK_SAVED_RCX, THREAD_COUNTERS_OFFSET } from "../../abi/thread-block";
import { counterIndex, inlineAmount, inlineCount, inlineCounter } from "../hook/table";
import { threadCounter } from "../hook/thread-counters";
import { ThreadBlock } from "../thread/block";
import { programOwnsGs } from "../thread/gs-base";
import { Context } from "../thread/signal-frame";
import { HALT } from "./way-to-hooks";

const MOVE_SIZE: u32 = 9;
const LEA_SIZE: u32 = 4;
/** A counter's part, by an address and by an addition. */
const BY_ADDRESS: u32 = 2 * MOVE_SIZE + LEA_SIZE;
const BY_ADDITION: u32 = 10;

/** Longer ones are better called. */
const INLINE_MAX: u32 = 128;

/** How many counters these hooks add to; 0 when one of them does more than that. */
function countersOf(hooks: u32): u32 {
  let count: u32 = 0;
  for (let hook: u32 = 0; hook < 8; hook++) {
    if (((hooks >> hook) & 1) == 0) continue;
    if (inlineCount(hook) == 0) return 0;
    count += inlineCount(hook);
  }
  return count;
}

/** Bytes that the hooks take when all of them only count; 0 when they are to be called. */
export function inlineSize(hooks: u32, flagsAreDead: bool): u32 {
  const count = countersOf(hooks);
  if (count == 0) return 0;
  const size = flagsAreDead ? count * BY_ADDITION : 2 * MOVE_SIZE + count * BY_ADDRESS;
  return size <= INLINE_MAX ? size : 0;
}

/** mov %rcx,%gs:disp32 (store), or the other way round. */
function emitMove(pointer: usize, opcode: u32, displacement: u32): usize {
  store<u32>(pointer, 0x0c004865 | (opcode << 16));
  store<u8>(pointer, 0x25, 4);
  store<u32>(pointer, displacement, 5);
  return pointer + MOVE_SIZE;
}
const STORE: u32 = 0x89;
const LOAD: u32 = 0x8b;

/** Where a counter of the running thread's is, from gs base. */
function displacementOf(index: u32): u32 {
  return THREAD_COUNTERS_OFFSET - BLOCK_OFFSET + (index << 3);
}

/** Writes them; as many bytes as `inlineSize` says. */
export function emitInline(pointer: usize, hooks: u32, flagsAreDead: bool): void {
  let at = flagsAreDead ? pointer : emitMove(pointer, STORE, BLOCK_SAVED_RCX);
  for (let hook: u32 = 0; hook < 8; hook++) {
    if (((hooks >> hook) & 1) == 0) continue;
    for (let i: u32 = 0; i < inlineCount(hook); i++) {
      const displacement = displacementOf(counterIndex(hook, inlineCounter(hook, i)));
      const amount = inlineAmount(hook, i);
      if (flagsAreDead) {
        store<u32>(at, 0x04834865); // addq $imm8,%gs:disp32
        store<u8>(at, 0x25, 4);
        store<u32>(at, displacement, 5);
        store<u8>(at, amount as u8, 9);
        at += BY_ADDITION;
        continue;
      }
      at = emitMove(at, LOAD, displacement);
      store<u32>(at, 0x00498d48 | (amount << 24)); // lea imm8(%rcx),%rcx
      at = emitMove(at + LEA_SIZE, STORE, displacement);
    }
  }
  if (!flagsAreDead) emitMove(at, LOAD, BLOCK_SAVED_RCX);
  if (programOwnsGs) store<u8>(pointer, HALT);
}

/** Adds what these hooks add, or takes it back, for the first `count` of their counters. */
function addCounts(thread: ThreadBlock, hooks: u32, count: u32, sign: u64): void {
  for (let hook: u32 = 0; hook < 8; hook++) {
    if (((hooks >> hook) & 1) == 0) continue;
    for (let i: u32 = 0; i < inlineCount(hook); i++) {
      if (count-- == 0) return;
      const place = threadCounter(thread, counterIndex(hook, inlineCounter(hook, i)));
      store<u64>(place, load<u64>(place) + sign * (inlineAmount(hook, i) as u64));
    }
  }
}

/** The hooks of an instruction, for a thread that cannot do it in the trampoline. */
export function countInline(thread: ThreadBlock, hooks: u32): void {
  addCounts(thread, hooks, u32.MAX_VALUE, 1);
}

/**
 * A thread was interrupted at `offset` of these bytes, or right behind them: nothing has been counted then, and rcx is the
 * program's.
 */
export function undoInline(thread: ThreadBlock, context: Context, hooks: u32, flagsAreDead: bool, offset: u32): void {
  const size = inlineSize(hooks, flagsAreDead);
  if (flagsAreDead) return addCounts(thread, hooks, offset / BY_ADDITION, u64.MAX_VALUE);
  if (offset < MOVE_SIZE) return;
  addCounts(thread, hooks, min(offset - MOVE_SIZE, size - 2 * MOVE_SIZE) / BY_ADDRESS, u64.MAX_VALUE);
  if (offset < size) context.rcx = thread.savedRcx;
}
