// The engine's call site: the one `syscall` from which calls of the engine's own come, and so the one instruction pointer
// that the prefix of a filter (prefix.ts) lets through.
//
// Without a filter it is the launcher's `engineSyscall`. Filters survive execve, and the next launcher lies elsewhere; so
// the first filter moves the site to a page of its own, `0f 05 c3  syscall; ret`, whose address goes from launcher to
// launcher. The page lies where the kernel puts nothing by itself and where no sanitizer forbids memory: above all
// position-independent programs and their heaps (2/3 of the address space and 1 TiB at random), and inside the ranges for
// programs of ASan (everything), MSan (0x5100... to 0x6000...) and TSan (0x5500... to 0x5a00...). It is as random as the
// launcher's own address, of which it is made.
//
// Syscall User Dispatch lets calls from one range through, the launcher's text (kernel/user-dispatch.ts). Where it is in
// use the site stays there, and the next launcher makes its page at that address: one time in ten thousand something is
// there, and the launcher ends with a line. Under a site elsewhere dispatch is not armed.

import { engineSyscallInstruction } from "../gates";
import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP } from "../kernel/numbers";
import { claimMemory } from "../own-memory";
import { Address, memoryBase, poke32, syscall } from "../process";

const PAGE_SIZE: u64 = 4096;
const SITES: u64 = 0x570000000000;
/** 28 bits of pages: as much as the kernel randomises (mmap_rnd_bits). */
const RANDOM_MASK: u64 = 0xfffffff000;
const TRIES: u64 = 16;

const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;
const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x100022;
/** `0f 05` syscall; `c3` ret */
const CODE: u32 = 0x00c3050f;

/** Process address of the site's page, or 0 while the site is the launcher's own: `engineSite` of src/backend. */
export const engineSite = memory.data(8, 8);

/** Whether Syscall User Dispatch is in use. */
let staysInText: bool = false;

/** Before a thread is armed with a range of calls that are let through; false when the site is outside. */
export function keepSiteIn(start: Address, size: u64): bool {
  const at = load<u64>(engineSite);
  if (at != 0 && at - start >= size) return false;
  staysInText = true;
  return true;
}

/** The address of the site, or 0. */
export function siteAddress(): Address {
  return load<u64>(engineSite);
}

/** What the kernel says is the instruction pointer of the engine's calls: it is already behind the `syscall`. */
export function siteInstructionPointer(): Address {
  return load<u64>(engineSite) + 2;
}

/** Makes the site's page, under the engine lock; false when something is there, or no page can become executable. */
export function createSite(at: Address): bool {
  const page = at & ~(PAGE_SIZE - 1);
  const got = syscall(SYS_MMAP, page, PAGE_SIZE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1, 0);
  if (isError(got)) return false;
  if ((got as u64) == page) {
    poke32(at, CODE);
    if (syscall3(SYS_MPROTECT, page, PAGE_SIZE, PROT_READ_EXECUTE) == 0) {
      const claimed = claimMemory(page, page + PAGE_SIZE);
      assert(claimed, "no room to remember the engine's call site");
      store<u64>(engineSite, at);
      return true;
    }
  }
  syscall2(SYS_MUNMAP, got as u64, PAGE_SIZE);
  return false;
}

/** Before the first filter. Under the engine lock. Where no page can become executable the site stays where it is. */
export function ensureSite(): void {
  if (load<u64>(engineSite) != 0) return;
  if (staysInText) {
    store<u64>(engineSite, engineSyscallInstruction());
    return;
  }
  for (let i: u64 = 0; i < TRIES; i++)
    if (createSite(SITES + ((memoryBase() + i * i * PAGE_SIZE) & RANDOM_MASK))) return;
  store<u64>(engineSite, engineSyscallInstruction());
}
