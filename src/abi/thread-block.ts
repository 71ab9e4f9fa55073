// The thread block and the area it lives in: what gates (src/backend/gates) and engine (src/engine/thread) share.
//
// Every thread has one *area* of linear memory. Trampolines find it through gs base, which holds the process address of its
// block; gates and engine through their own stack, since the block lies where the engine stack ends:
//
//   offset    size     what
//   0x00000   0x08000  the kernel's alternate signal stack (invariant I10): the engine's, never the program's
//   0x08000   0x0bc00  the engine stack; the gate's frame is always its topmost 144 bytes, since gates never nest
//   0x13c00   0x00400  the thread block: gs base, and the engine stack's top
//   0x14000   0x01000  the frame that the engine hands to rt_sigreturn to enter any program state
//   0x15000   0x05000  paths and file heads of an execve
//   0x1a000   0x09000  deferred signals: the interrupted ucontext with its xstate, then the siginfos
//   0x23000   0x00c00  system calls that hooks have seen (src/engine/hook/record.ts)
//   0x23c00   0x00800  the thread's own counts (src/engine/hook/thread-counters.ts)
//   0x24400   0x00a00  the tally of a process that lives in another's memory, in the area of its first thread (src/engine/hook/tally.ts)
//   0x24e00   0x00200  hooks' values of the thread's own (src/engine/hook/thread-values.ts)
//
// A thread that gets no signal touches the page of the block alone: the stack's first 3 KiB are in it.
//
// No type annotations and no imports: this file is TypeScript for the backend and AssemblyScript for the engine.

export const AREA_SIZE = 0x25000;
export const ALTERNATE_STACK_OFFSET = 0x00000;
export const ALTERNATE_STACK_SIZE = 0x08000;
export const BLOCK_OFFSET = 0x13c00;
export const RETURN_FRAME_OFFSET = 0x14000;
export const EXEC_SCRATCH_OFFSET = 0x15000;
export const DEFERRED_OFFSET = 0x1a000;
export const CALL_RECORDS_OFFSET = 0x23000;
export const CALL_RECORDS_SIZE = 0x00c00;
export const THREAD_COUNTERS_OFFSET = 0x23c00;
/** u64 each. */
export const THREAD_COUNTERS_MAX = 256;
export const TALLY_OFFSET = 0x24400;
export const TALLY_SIZE = 0x00a00;
export const THREAD_VALUES_OFFSET = 0x24e00;
/** u64 for each of 8 hooks. */
export const THREAD_VALUES_MAX = 8;

// Fields of the block that gates touch. src/engine/thread/block.ts declares them in this order.
export const BLOCK_SELF = 0x00; // u32: engine pointer of the block
export const BLOCK_TID = 0x04; // u32
export const BLOCK_ADDRESS = 0x08; // u64: process address of the block, which is the engine stack's top
export const BLOCK_SAVED_RCX = 0x10; // u64: the program's rcx at a site
export const BLOCK_SAVED_R11 = 0x18; // u64: the program's r11 at a site
export const BLOCK_SAVED_R15 = 0x20; // u64: the program's r15 across clone
export const BLOCK_AFTER = 0x28; // u64: where a native call or the start of the program goes on
export const BLOCK_DEFERRED = 0x30; // u32: how many signals wait for the way out of the engine
export const BLOCK_FIRST_DEFERRED = 0x34; // u32: the slot of the first of them; changes together with their number
export const BLOCK_RETURN_FRAME = 0x38; // u64: process address of the rt_sigreturn frame
export const BLOCK_SAVED_R14 = 0x40; // u64: its r14 likewise
export const BLOCK_DEAD = 0x48; // u32: 1 once the thread touches its area no more

// The gate's frame, ascending from rsp. `target` holds the site descriptor on the way in, the next rip on the way out.
export const FRAME_R15 = 0x00;
export const FRAME_R14 = 0x08;
export const FRAME_R13 = 0x10;
export const FRAME_R12 = 0x18;
export const FRAME_R10 = 0x20;
export const FRAME_R9 = 0x28;
export const FRAME_R8 = 0x30;
export const FRAME_RBP = 0x38;
export const FRAME_RDI = 0x40;
export const FRAME_RSI = 0x48;
export const FRAME_RDX = 0x50;
export const FRAME_RBX = 0x58;
export const FRAME_RAX = 0x60;
export const FRAME_R11 = 0x68;
export const FRAME_RCX = 0x70;
export const FRAME_TARGET = 0x78;
export const FRAME_FLAGS = 0x80;
export const FRAME_RSP = 0x88;
export const FRAME_SIZE = 0x90;
