// What `flicker trace` tells its hook (src/hooks/trace.ts) of each call that it is to record, in the ring's parameters. One
// compiled hook serves all traces: which calls it sees is the ring's mask, what it copies of them is this.
//
//   0x0000  8         how many bytes of a text are copied (src/abi/capture.ts, TEXT_LIMIT)
//   0x0008  8 * 512   a word for each call: number of its first step (16 bits), how many steps it has (8), and which arguments are
//                     descriptors whose paths are wanted (8; bit 6: the result is one)
//   0x1008  8 * n     the steps, as src/abi/capture.ts has them
//
// No type annotations and no imports: this file is TypeScript for the host and AssemblyScript for the hook.

export const TRACE_TEXT_LIMIT = 0x0000;
export const TRACE_CALLS = 0x0008;
export const TRACE_STEPS = 0x1008;
export const TRACE_CALL_COUNT_SHIFT = 16;
export const TRACE_CALL_PATHS_SHIFT = 24;
