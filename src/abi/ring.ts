// The ring: records that are written inside programs and read outside, while both go on. It is one file of memory that the host
// makes (src/host/ring.ts), that every process of a traced tree maps (src/engine/ring/ring.ts) and that Node reads and writes
// with pread and pwrite, since it cannot map anything: both see the same pages.
//
// Positions are numbers of bytes since the beginning, so `head` and `tail` only grow; a byte's place is its position modulo the
// size. Records lie between tail and head, whole: one that does not fit before the end of the data has a RECORD_PADDING in
// front. Writers reserve under a lock, which is held for a few instructions: size and writer of a record stand in its header
// before the head says that it is there, so the reader can pass over one whose writer was killed. The record is then filled
// without the lock, and its last store takes RECORD_WRITING away.
//
//   offset  size
//   0x000   4     magic: also the version of this layout
//   0x008   8     size of the data, a power of two
//   0x010   4     flags
//   0x014   4     the host's process
//   0x018   4     the first thread of the first program, once it has started
//   0x01c   4     1 when nobody reads any more: nothing is written then
//   0x040   4     the lock: 0, or whose it is (RECORD_WRITER)
//   0x048   8     head: where the next record will be
//   0x050   8     how many records were lost because there was no room
//   0x080   8     tail: what is before it has been read
//   0x088   8     tail again, written behind it: pwrite may store a number in pieces, and the smaller of the two is never too large
//   0x0c0   64    bit n: hooks see the system call with number n
//   0x100         what the host tells the hooks (parameters), up to the data
//   0x3e00  512   sums that hooks add to and the host reads, u64 each
//   0x4000        data
//
// No type annotations and no imports: this file is TypeScript for the host and AssemblyScript for the engine.

export const RING_MAGIC = 0x32726c66; // "flr2"
export const RING_MAGIC_AT = 0x000;
export const RING_SIZE = 0x008;
export const RING_FLAGS = 0x010;
export const RING_HOST = 0x014;
export const RING_FIRST = 0x018;
export const RING_CLOSED = 0x01c;
export const RING_LOCK = 0x040;
export const RING_HEAD = 0x048;
export const RING_LOST = 0x050;
export const RING_TAIL = 0x080;
export const RING_TAIL_AGAIN = 0x088;
export const RING_CALLS = 0x0c0;
export const RING_PARAMETERS = 0x100;
export const RING_PARAMETERS_SIZE = 0x3d00;
export const RING_SUMS = 0x3e00;
export const RING_SUM_COUNT = 64;
export const RING_DATA = 0x4000;

/** A writer waits for room; without it, what finds none is lost. */
export const RING_LOSSLESS = 1;
/** Children and threads write too, not only the first thread of the first program. */
export const RING_FOLLOW = 2;
/** Records have the time. */
export const RING_TIMES = 4;
/** The engine writes what no hook sees: signals, beginnings and ends. */
export const RING_EVENTS = 8;
/** Hooks see the execve that a program comes from, as a call that succeeds. */
export const RING_EXECVE = 16;

// A record.
//
//   0x00    4     its size with this header, a multiple of 16; RECORD_WRITING while it is being filled
//   0x04    4     the thread that writes it; RECORD_ELSEWHERE if its number is of another pid namespace than the host's
//   0x08    4     process
//   0x0c    4     kind: RECORD_PADDING, or what the hook says
//   0x10    4     the hook, from 1, in the order of the command line; 0: the engine
//   0x14    4     bytes of content
//   0x18    8     nanoseconds of CLOCK_REALTIME, 0 without RING_TIMES
//   0x20          content, and whatever up to the size
export const RECORD_SIZE = 0x00;
export const RECORD_WRITER = 0x04;
export const RECORD_PROCESS = 0x08;
export const RECORD_KIND = 0x0c;
export const RECORD_HOOK = 0x10;
export const RECORD_CONTENT_SIZE = 0x14;
export const RECORD_TIME = 0x18;
export const RECORD_CONTENT = 0x20;
export const RECORD_ALIGNMENT = 16;

export const RECORD_WRITING = 1;
export const RECORD_ELSEWHERE = 0x80000000;
/** Only the first 16 bytes of a padding's header are there. */
export const RECORD_PADDING = 0xffffffff;
