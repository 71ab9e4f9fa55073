// What the planner needs to know of a site's trampoline: how big it may be, and who writes it.
//
// The planner finds a place of the size given to `beginPlan` for each site; at the commit it calls the emitter once for
// each, in no particular order. What the bytes do is the emitter's: run a hook, make the system call, then go on at
// `resume`.

import { Address } from "../process";

/**
 * Writes a site's trampoline.
 * @param pointer where the bytes go, `trampolineSize` of them at most
 * @param record the site's `Record` (patch/record.ts): `address` is where the trampoline will be, `original` the site,
 *     `length`, `originalBytes(record)` its instruction, `cookie` the cluster's
 * @param resume where to jump when the site's instruction is done and falls through: the next instruction, or, when that
 *     one was evicted (T2), its trampoline, which saves a jump. The address that the program may see as "after the site"
 *     is always `original + length`.
 * @returns the number of bytes written
 */
export type Emit = (pointer: usize, record: usize, resume: Address) => u32;
