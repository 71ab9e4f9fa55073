// The hook table: what a launcher says of the hooks that are linked into it. The host writes it (src/backend/hook-table.ts) into
// rodata under the symbol `hookTable`, the engine reads it (src/engine/hook/table.ts). A launcher without hooks has an empty one.
//
// `rel32` are relative to the table's first byte; 0 says that there is none. Strings end in a zero.
//
// No type annotations and no imports: this file is TypeScript for the backend and AssemblyScript for the engine.

export const HOOK_COUNT = 0x00; // u32
/** Bit n: some hook wants to see the system call with number n. */
export const HOOK_CALLS = 0x08; // 64 bytes
export const HOOK_CALLS_SIZE = 64;
/** Larger numbers are no calls of any kernel's, or aliases that x32 has. */
export const HOOK_CALL_MAX = 511;
/** The first hook's row. */
export const HOOK_ROWS = 0x48;

// A row.
export const HOOK_BEFORE = 0x00; // rel32: the entry of `beforeCall`
export const HOOK_AFTER = 0x04; // rel32: the entry of `afterCall`
export const HOOK_MEMORY = 0x08; // rel32: its linear memory
export const HOOK_MEMORY_SIZE = 0x0c; // u32
export const HOOK_NAME = 0x10; // rel32
export const HOOK_FLAGS = 0x14; // u32
export const HOOK_TRAPS = 0x18; // rel32: rows of a rel32 to an instruction that faults and a rel32 to what to say then
export const HOOK_TRAP_COUNT = 0x1c; // u32
export const HOOK_COUNTERS = 0x20; // rel32: rows of an u32, where in its memory the counter is, and a rel32 to its name
export const HOOK_COUNTER_COUNT = 0x24; // u32
export const HOOK_OWN_CALLS = 0x28; // 64 bytes: as HOOK_CALLS, for this hook
export const HOOK_MATCH = 0x68; // rel32: the entry of `match`: the instruction in the record is a site
export const HOOK_MAY_MATCH = 0x6c; // rel32: the entry of `mayMatch`: 0 when no text in the record could make it one
export const HOOK_NEEDS = 0x70; // u32: NEEDS_ of src/abi/instruction-record.ts
export const HOOK_RECORD = 0x74; // u32: where in its memory the record is
export const HOOK_BEFORE_INSTRUCTION = 0x78; // rel32: the entry of `before`, or of `replace`
/** rel32: what `before` does when it only counts, else 0: how many counters (u32), and of each its number and what is added (u32). */
export const HOOK_INLINE = 0x7c;
export const HOOK_EVENTS = 0x80; // EVENT_COUNT rel32: the entries that are called at an event, by its number
export const HOOK_AFTER_INSTRUCTION = 0x98; // rel32: the entry of `after`
export const HOOK_ROW_SIZE = 0x9c;

/** HOOK_FLAGS: it has globals that change, so one thread at a time may be in it. */
export const HOOK_EXCLUSIVE = 1;
/** HOOK_FLAGS: the instruction is not executed once the hook has been called. */
export const HOOK_REPLACES = 2;

// Events.
export const EVENT_START = 0; // onStart: a program starts in this process
export const EVENT_END = 1; // onEnd: it ends
export const EVENT_FORK = 2; // onFork: a process starts as a copy of another, and this is it
export const EVENT_THREAD = 3; // onThread: a thread starts, and this is it
export const EVENT_THREAD_END = 4; // onThreadEnd: the calling thread ends
export const EVENT_LIBRARY = 5; // onLibrary: a file has been mapped that can be executed
export const EVENT_COUNT = 6;
/** The exports that are called at events, by the events' numbers. */
export const EVENT_NAMES = ["onStart", "onEnd", "onFork", "onThread", "onThreadEnd", "onLibrary"];
