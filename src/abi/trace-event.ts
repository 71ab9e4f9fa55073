// An event of a traced program as bytes: what a recorder (a hook in the program) puts into the ring and the host reads.
// Little endian; every record and everything in it is aligned to 8 bytes.
//
//   offset  size
//   0x00    4     size of the record with its ranges
//   0x04    1     kind
//   0x05    1     0
//   0x06    2     number of ranges
//   0x08    4     process
//   0x0c    4     thread
//   0x10    4     number: of the call; of the signal; of the events that were lost; the exit status; the process that has begun
//   0x14    4     0
//   0x18    8     time at entry, nanoseconds of CLOCK_REALTIME
//   0x20    8     time at exit; of other events as at entry
//   0x28    8     result
//   0x30    48    the six arguments
//   0x60    8     what the hook has noted of the call
//   0x68          ranges
//
// A range is memory of the program as it was:
//
//   0x00    8     address; of a path, the descriptor's number
//   0x08    4     size in bytes
//   0x0c    4     when it was copied: RANGE_ENTRY, RANGE_EXIT; RANGE_PATH: what /proc/self/fd says of a descriptor
//   0x10          the bytes, and zeros up to a multiple of 8
//
// No type annotations and no imports: this file is TypeScript for the host and AssemblyScript for the engine.

export const EVENT_SIZE = 0x00;
export const EVENT_KIND = 0x04;
export const EVENT_RANGES = 0x06;
export const EVENT_PROCESS = 0x08;
export const EVENT_THREAD = 0x0c;
export const EVENT_NUMBER = 0x10;
export const EVENT_START = 0x18;
export const EVENT_END = 0x20;
export const EVENT_RESULT = 0x28;
export const EVENT_ARGUMENTS = 0x30;
export const EVENT_NOTE = 0x60;
export const EVENT_HEADER_SIZE = 0x68;

export const RANGE_ADDRESS = 0x00;
export const RANGE_SIZE = 0x08;
export const RANGE_WHEN = 0x0c;
export const RANGE_HEADER_SIZE = 0x10;

export const EVENT_CALL = 1; // a call that has returned
export const EVENT_ENTER = 2; // a call that has not: result and time at exit mean nothing
export const EVENT_LEAVE = 3; // the return of a call that an EVENT_ENTER told of; its arguments again
export const EVENT_SIGNAL = 4; // a signal is delivered; its siginfo is the range
export const EVENT_EXITED = 5; // a thread has ended by itself; the result is 1 if its whole process has
export const EVENT_KILLED = 6; // a process was ended by a signal; the result is 1 if it left a core
export const EVENT_LOST = 7; // the ring was full
export const EVENT_STARTED = 8; // the thread has made a process

export const RANGE_ENTRY = 0;
export const RANGE_EXIT = 1;
export const RANGE_PATH = 2;
