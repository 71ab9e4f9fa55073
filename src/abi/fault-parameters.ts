// What `flicker fault` tells its hook (src/hooks/fault.ts), in the ring's parameters behind those that say how a call is recorded
// (src/abi/trace-parameters.ts). Of the word that those have for each call, the upper half is about faults:
//
//   bits 32..38   the first path among its arguments: its number, and that of the descriptor that it is relative to << 3 (7: the
//                 current folder); FAULT_PATH if there is one
//   bits 39..45   the second path
//   bits 46..48   the argument that says how many bytes are read or written, 7 for none
//   bits 49..54   which arguments are descriptors
//   bits 55..63   the call that does with one buffer what this one does with a vector; 511 for none
//
// and from FAULT_RULES on, FAULT_RULE_SIZE bytes for each rule, in the order in which they are asked:
//
//   0x00  64   bit n: the rule is about the system call with number n
//   0x40  8    flags
//   0x48  8    the result that the program gets
//   0x50  8    so many bytes are read or written at most
//   0x58  8    nanoseconds that the call is late
//   0x60  8    nanoseconds that its return is late
//   0x68  8    the first of the calls that the rule is about which is meant, from 1
//   0x70  8    the last
//   0x78  8    every so many of them; 0: the first alone
//   0x80  8    with FAULT_BY_CHANCE: a random number below this means yes
//   0x88  8    the seed of those
//   0x90  8    where the pattern of the path is in the parameters
//   0x98  8    its size
//
// Of rule r, sum 2r of the ring is how many calls it was about, and 2r + 1 how many of those were changed. The note of a call that
// is: the rule's number from 1 in the lowest 8 bits, and above it which call it was.
//
// No type annotations and no imports: this file is TypeScript for the host and AssemblyScript for the hook.

export const FAULT_PATH_SHIFT = 32;
export const FAULT_SECOND_PATH_SHIFT = 39;
export const FAULT_SIZE_SHIFT = 46;
export const FAULT_DESCRIPTORS_SHIFT = 49;
export const FAULT_SINGLE_SHIFT = 55;
export const FAULT_PATH = 64;
export const FAULT_NOTHING = 7;
export const FAULT_NO_SINGLE = 511;

export const FAULT_RULE_COUNT = 0x1ff8;
export const FAULT_RULES = 0x2000;
export const FAULT_RULE_SIZE = 0xa0;
export const FAULT_RULES_MAX = 24;
export const FAULT_PATTERNS = 0x2f00;

export const FAULT_CALLS = 0x00;
export const FAULT_FLAGS = 0x40;
export const FAULT_RESULT = 0x48;
export const FAULT_SIZE = 0x50;
export const FAULT_DELAY = 0x58;
export const FAULT_DELAY_EXIT = 0x60;
export const FAULT_FIRST = 0x68;
export const FAULT_LAST = 0x70;
export const FAULT_STEP = 0x78;
export const FAULT_CHANCE = 0x80;
export const FAULT_SEED = 0x88;
export const FAULT_PATTERN = 0x90;
export const FAULT_PATTERN_SIZE = 0x98;

/** Flags: the call is not made, and gives a result; it reads or writes less. */
export const FAULT_GIVES = 1;
export const FAULT_IS_SHORT = 2;
/** Chance decides; only calls on a path are meant; calls are counted over the whole tree of processes. */
export const FAULT_BY_CHANCE = 4;
export const FAULT_BY_PATH = 8;
export const FAULT_BY_TREE = 16;
/** Where in the flags the number of a signal is that comes in front of the call; 0: none. */
export const FAULT_SIGNAL_SHIFT = 8;
