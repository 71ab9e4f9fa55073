// The auxiliary vector: types of include/uapi/linux/auxvec.h that the loader reads or changes.

import { Address, peek64, poke64 } from "../process";

export const AT_NULL: u64 = 0;
export const AT_PHDR: u64 = 3;
export const AT_PHENT: u64 = 4;
export const AT_PHNUM: u64 = 5;
export const AT_BASE: u64 = 7;
export const AT_ENTRY: u64 = 9;
export const AT_PLATFORM: u64 = 15;
export const AT_SECURE: u64 = 23;
export const AT_RANDOM: u64 = 25;
export const AT_HWCAP2: u64 = 26;
export const AT_EXECFN: u64 = 31;
export const AT_SYSINFO_EHDR: u64 = 33;
export const AT_MINSIGSTKSZ: u64 = 51;

/** FSGSBASE in AT_HWCAP2: arch/x86/include/uapi/asm/hwcap2.h. */
export const HWCAP2_FSGSBASE: u64 = 2;

/** The value of an entry, or 0 where there is none. */
export function auxiliaryValue(vector: Address, type: u64): u64 {
  for (let at = vector; peek64(at) != AT_NULL; at += 16) if (peek64(at) == type) return peek64(at + 8);
  return 0;
}

/** Changes the value of an entry that is there. */
export function setAuxiliaryValue(vector: Address, type: u64, value: u64): void {
  for (let at = vector; peek64(at) != AT_NULL; at += 16) if (peek64(at) == type) poke64(at + 8, value);
}
