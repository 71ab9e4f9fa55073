// personality(2): READ_IMPLIES_EXEC is the engine's to do.
//
// With it the kernel makes whatever can be read executable: the engine's own memory, too, which would then be writable and
// executable (invariant I5), and the program's files without a look at their code. So the kernel never hears of it, and mmap
// and mprotect get the protection that it would have made of theirs (do_mmap of mm/mmap.c, do_mprotect_pkey of
// mm/mprotect.c). execve of a 64-bit program clears it: set_personality_64bit of arch/x86/kernel/process_64.c.
//
// Not done: the heap that brk grows by stays without it, and threads of one process share it, where the kernel keeps it for
// each.

import { programSyscall } from "../process";
import { GateFrame, ThreadBlock } from "../thread/block";
import { PROT_EXEC, PROT_READ } from "../load/map";
import { finish } from "./call";
import { isError } from "./calls";

const READ_IMPLIES_EXEC: u64 = 0x400000;
/** Asks without a change. */
const QUERY: u64 = 0xffffffff;

let impliesExecution: bool = false;

/** What the kernel makes of a protection that the program asks for. */
export function impliedProtection(protection: u64): u64 {
  return impliesExecution && protection & PROT_READ ? protection | PROT_EXEC : protection;
}

/** personality(persona) */
export function personality(thread: ThreadBlock, frame: GateFrame): u32 {
  const persona = frame.rdi & 0xffffffff;
  const kept = persona == QUERY ? QUERY : persona & ~READ_IMPLIES_EXEC;
  const result = programSyscall(frame.rax, kept, 0, 0, 0, 0, 0);
  if (isError(result)) return finish(thread, frame, result);
  const implied: i64 = impliesExecution ? (READ_IMPLIES_EXEC as i64) : 0;
  if (persona != QUERY) impliesExecution = (persona & READ_IMPLIES_EXEC) != 0;
  return finish(thread, frame, result | implied);
}
