// How far the program, its heap and its stack are moved at random: arch_mmap_rnd and arch_randomize_brk of the kernel. A
// program that was started without randomisation (`setarch -R`, every program that gdb runs) expects it where the
// kernel would have put it.

import { addressOf, isError, syscall1, syscall3 } from "../kernel/calls";
import { SYS_GETRANDOM, SYS_PERSONALITY } from "../kernel/numbers";
import { memoryBase } from "../process";

const ADDR_NO_RANDOMIZE: i64 = 0x0040000;
/** personality(2): asks without a change. */
const PERSONALITY_QUERY: u64 = 0xffffffff;

const random = memory.data(8, 8);

/**
 * A random number of bits within `mask`; 0 when the process is not to be randomised. Where a seccomp filter forbids to
 * ask, the launcher's own address is as random as the kernel made it.
 */
export function randomBits(mask: u64): u64 {
  const personality = syscall1(SYS_PERSONALITY, PERSONALITY_QUERY);
  if (!isError(personality) && personality & ADDR_NO_RANDOMIZE) return 0;
  const got = syscall3(SYS_GETRANDOM, addressOf(random), 8, 0);
  return (got == 8 ? load<u64>(random) : memoryBase() >> 12) & mask;
}
