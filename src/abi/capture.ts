// What a recorder copies out of a program's memory at a system call: a *plan* of steps for each call, simple enough for
// whoever sits in front of the kernel (a hook in the program, a test's ptrace) to execute without knowing any type. Plans are
// made of the signatures (src/kernel-interface/capture-plan.ts).
//
// A step is 8 bytes:
//
//   offset  size
//   0       1     kind
//   1       1     argument that is the address
//   2       1     when: at entry, at exit if the call succeeded, or at exit if it failed
//   3       1     argument of the length (see the kinds), or NO_ARGUMENT
//   4       2     unit: bytes of an element
//   6       2     limit: at most so many bytes; TEXT_LIMIT: what the user asked for (-s)
//
// No type annotations and no imports: this file is TypeScript for the host and AssemblyScript for the engine.

export const STEP_SIZE = 8;
export const STEP_KIND = 0;
export const STEP_ARGUMENT = 1;
export const STEP_WHEN = 2;
export const STEP_LENGTH = 3;
export const STEP_UNIT = 4;
export const STEP_LIMIT = 6;

export const CAPTURE_FIXED = 1; // `unit` bytes
export const CAPTURE_COUNTED = 2; // the value of the length's argument times `unit`
export const CAPTURE_RETURNED = 3; // the result times `unit`; at most the value of the length's argument times `unit`
export const CAPTURE_INDIRECT = 4; // the 32-bit number at the address in the length's argument, times `unit`
export const CAPTURE_STRING = 5; // up to and with the first NUL
export const CAPTURE_STRINGS = 6; // pointers up to and with NULL, and the string at each of them
export const CAPTURE_VECTOR = 7; // as many iovecs as the length's argument says, and the buffer of each
export const CAPTURE_MESSAGE = 8; // a msghdr, its name, its iovecs with their buffers, and its control data
export const CAPTURE_MESSAGES = 9; // as many mmsghdrs as the length's argument says; of each as of a msghdr
export const CAPTURE_IOCTL = 10; // as many bytes as the request in the length's argument says, `unit` where it says none

export const AT_ENTRY = 0;
export const AT_EXIT = 1;
export const AT_FAILURE = 2;

export const NO_ARGUMENT = 255;
export const TEXT_LIMIT = 65535;

/** Strings, vectors and lists of strings end after so many elements, whatever the program says. */
export const ELEMENTS_LIMIT = 1024;
