// `--count-sites`: the trampoline of an instruction counts how often it runs, in a word of its own that all threads share.
//
// No register and no flag is lost. Where nobody looks at RFLAGS before they are written again (x86/flags-dead.ts):
//
//    0  65 48 89 0c 25 <disp32>   mov    %rcx,%gs:SAVED_RCX
//    9  48 b9 <imm64>             movabs $count,%rcx
//   19  f0 48 ff 01               lock incq (%rcx)
//   23  65 48 8b 0c 25 <disp32>   mov    %gs:SAVED_RCX,%rcx
//
// else, with the flags in ax (`lahf` has all but OF; 0x7f more than 1 overflows, `sahf` leaves OF alone):
//
//    0  65 48 89 0c 25 <disp32>   mov    %rcx,%gs:SAVED_RCX
//    9  65 48 89 04 25 <disp32>   mov    %rax,%gs:SAVED_R11
//   18  9f                        lahf
//   19  0f 90 c0                  seto   %al
//   22  48 b9 <imm64>             movabs $count,%rcx
//   32  f0 48 ff 01               lock incq (%rcx)
//   36  04 7f                     add    $0x7f,%al
//   38  9e                        sahf
//   39  65 48 8b 04 25 <disp32>   mov    %gs:SAVED_R11,%rax
//   48  65 48 8b 0c 25 <disp32>   mov    %gs:SAVED_RCX,%rcx
//
// As with other sums (inline-counters.ts) a thread that is interrupted here has not begun: what it has counted is taken back.
// `f4` (hlt) stands in front when gs base is the program's.

import { BLOCK_SAVED_R11, BLOCK_SAVED_RCX } from "../../abi/thread-block";
import { Address, compareExchange32, peek32, peek64, poke32 } from "../process";
import { ThreadBlock } from "../thread/block";
import { programOwnsGs } from "../thread/gs-base";
import { Context } from "../thread/signal-frame";
import { HALT } from "./way-to-hooks";

const SHORT_SIZE: u32 = 32;
const LONG_SIZE: u32 = 57;
/** Where the address of the count is, and `lock incq`, in both. */
const SHORT_COUNT: u32 = 11;
const LONG_COUNT: u32 = 24;
const SHORT_INCREMENT: u32 = 19;
const LONG_INCREMENT: u32 = 32;
const INCREMENT_SIZE: u32 = 4;
const LONG_LAHF: u32 = 18;
const LONG_SAHF: u32 = 38;
const LONG_RESTORE_RAX: u32 = 39;
const MOVE_SIZE: u32 = 9;

/** SF, ZF, AF, PF, CF as `lahf` has them, and OF. */
const FLAGS_IN_AH: u64 = 0xd5;
const FLAG_OVERFLOW: u64 = 0x800;

export function siteCounterSize(flagsAreDead: bool): u32 {
  return flagsAreDead ? SHORT_SIZE : LONG_SIZE;
}

function emitMove(pointer: usize, bytes: u32, displacement: u32): usize {
  store<u32>(pointer, bytes);
  store<u8>(pointer, 0x25, 4);
  store<u32>(pointer, displacement, 5);
  return pointer + MOVE_SIZE;
}

function emitIncrement(pointer: usize, count: Address): usize {
  store<u16>(pointer, 0xb948); // movabs $count,%rcx
  store<u64>(pointer, count, 2);
  store<u32>(pointer, 0x01ff48f0, 10); // lock incq (%rcx)
  return pointer + 14;
}

/** Writes it; `siteCounterSize` bytes. */
export function emitSiteCounter(pointer: usize, count: Address, flagsAreDead: bool): void {
  let at = emitMove(pointer, 0x0c894865, BLOCK_SAVED_RCX);
  if (!flagsAreDead) {
    at = emitMove(at, 0x04894865, BLOCK_SAVED_R11);
    store<u32>(at, 0xc0900f9f); // lahf; seto %al
    at += 4;
  }
  at = emitIncrement(at, count);
  if (!flagsAreDead) {
    store<u16>(at, 0x7f04); // add $0x7f,%al
    store<u8>(at, 0x9e, 2); // sahf
    at = emitMove(at + 3, 0x048b4865, BLOCK_SAVED_R11);
  }
  emitMove(at, 0x0c8b4865, BLOCK_SAVED_RCX);
  if (programOwnsGs) store<u8>(pointer, HALT);
}

/** The low half of a count, with a carry into the high one. */
function add(count: Address, amount: u64): void {
  let low = peek32(count);
  while (true) {
    const found = compareExchange32(count, low, ((low as u64) + amount) as u32);
    if (found == low) break;
    low = found;
  }
  const carry = ((low as u64) + (amount & 0xffffffff)) >> 32;
  const high = (amount >> 32) + carry;
  if ((high as u32) != 0) poke32(count + 4, peek32(count + 4) + (high as u32));
}

/** Counts for a thread that cannot do it in the trampoline at `address`. */
export function countSite(address: Address, flagsAreDead: bool): void {
  add(peek64(address + ((flagsAreDead ? SHORT_COUNT : LONG_COUNT) as u64)), 1);
}

/** A thread was interrupted at `offset` of the trampoline at `address`, or right behind the counter: it has not begun. */
export function undoSiteCounter(
  thread: ThreadBlock,
  context: Context,
  address: Address,
  flagsAreDead: bool,
  offset: u32,
): void {
  const increment = flagsAreDead ? SHORT_INCREMENT : LONG_INCREMENT;
  const size = siteCounterSize(flagsAreDead);
  if (offset >= increment + INCREMENT_SIZE)
    add(peek64(address + ((flagsAreDead ? SHORT_COUNT : LONG_COUNT) as u64)), u64.MAX_VALUE);
  if (offset >= increment && offset < size) context.rcx = thread.savedRcx;
  if (flagsAreDead || offset <= LONG_LAHF || offset > LONG_RESTORE_RAX) return;
  if (offset > LONG_INCREMENT && offset <= LONG_SAHF) {
    const overflow = (context.rax & 0xff) == (offset == LONG_SAHF ? 0x80 : 1) ? FLAG_OVERFLOW : 0;
    context.flags = (context.flags & ~(FLAGS_IN_AH | FLAG_OVERFLOW)) | ((context.rax >> 8) & FLAGS_IN_AH) | overflow;
  }
  context.rax = thread.savedR11;
}
