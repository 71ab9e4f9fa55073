// How far the program, its heap and its stack are moved at random: arch_mmap_rnd and arch_randomize_brk of the kernel. A
// program that was started without randomisation (`setarch -R`, every program that gdb runs) expects it where the
// kernel would have put it.

import { addressOf, syscall1, syscall3 } from "../kernel/calls";
import { SYS_GETRANDOM, SYS_PERSONALITY } from "../kernel/numbers";

const ADDR_NO_RANDOMIZE: i64 = 0x0040000;
/** personality(2): asks without a change. */
const PERSONALITY_QUERY: u64 = 0xffffffff;

const random = memory.data(8, 8);

/** A random number of bits within `mask`; 0 when the process is not to be randomised. */
export function randomBits(mask: u64): u64 {
  if (syscall1(SYS_PERSONALITY, PERSONALITY_QUERY) & ADDR_NO_RANDOMIZE) return 0;
  return syscall3(SYS_GETRANDOM, addressOf(random), 8, 0) == 8 ? load<u64>(random) & mask : 0;
}
