// Offsets in the trampoline of a `syscall` site (src/engine/thread/trampoline.ts draws it): what the engine writes and
// debuggers recognise (src/debugger/flicker-gdb.py).
//
// No type annotations and no imports: this file is TypeScript for the host and AssemblyScript for the engine.

/** From here on rcx and r11 are saved in the thread's block. */
export const TRAMPOLINE_AFTER_SAVES = 18;
/** The `syscall` of calls that pass through. */
export const TRAMPOLINE_SYSCALL = 47;
/** i32: the site, less this place. */
export const TRAMPOLINE_DESCRIPTOR = 61;
export const TRAMPOLINE_SIZE = 65;
