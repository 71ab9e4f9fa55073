// Calls every intrinsic of src/engine/process.ts that a test can call; each export answers 0 when all is as it should be,
// else the number of the check that failed.

import "../../../src/engine/assertion";
import {
  compareExchange32,
  copyIn,
  copyOut,
  cpuid,
  fence,
  memoryBase,
  pause,
  peek16,
  peek32,
  peek64,
  peek8,
  poke16,
  poke32,
  poke64,
  poke8,
  readFsBase,
  syscall,
  tryCopyIn,
  tryCopyOut,
  writeGsBase,
} from "../../../src/engine/process";

const a = memory.data(8192, 16);
const b = memory.data(8192, 16);
const SYS_GETPID: u64 = 39;
const SYS_MMAP: u64 = 9;
const SYS_MUNMAP: u64 = 11;
const SYS_ARCH_PRCTL: u64 = 158;

export function peeksAndPokes(): u32 {
  const address = memoryBase() + a;
  poke64(address, 0x8877665544332211);
  if (load<u64>(a) != 0x8877665544332211) return 1;
  if (peek64(address) != 0x8877665544332211) return 2;
  if (peek32(address + 4) != 0x88776655) return 3;
  if (peek16(address + 6) != 0x8877) return 4;
  if (peek8(address + 7) != 0x88) return 5;
  poke32(address, 0xdeadbeef);
  poke16(address + 4, 0xfffff);
  poke8(address + 6, 0xfff);
  return load<u64>(a) == 0x88ffffffdeadbeef ? 0 : 6;
}

export function copies(): u32 {
  for (let size: u32 = 0; size < 700; size += size < 80 ? 1 : 37) {
    for (let i: u32 = 0; i < 1024; i++) store<u8>(a + i, (i * 7 + 1) as u8);
    memory.fill(b, 0xee, 1024);
    copyIn(b + 8, memoryBase() + a + 3, size);
    for (let i: u32 = 0; i < size; i++) if (load<u8>(b + 8 + i) != ((i * 7 + 22) as u8)) return 1000 + size;
    if (load<u8>(b + 7) != 0xee || load<u8>(b + 8 + size) != 0xee) return 2000 + size;
    memory.fill(b, 0xee, 1024);
    copyOut(memoryBase() + b + 5, a + 1, size);
    for (let i: u32 = 0; i < size; i++) if (load<u8>(b + 5 + i) != ((i * 7 + 8) as u8)) return 3000 + size;
    if (load<u8>(b + 4) != 0xee || load<u8>(b + 5 + size) != 0xee) return 4000 + size;
  }
  return 0;
}

export function faults(): u32 {
  if (tryCopyIn(a, memoryBase() + b, 100) != 0) return 1;
  if (tryCopyOut(memoryBase() + b, a, 100) != 0) return 2;
  if (tryCopyIn(a, 0x1000, 8) != 8) return 3;
  if (tryCopyOut(0x1000, a, 8) != 8) return 4;
  if (tryCopyOut(0xffff800000000000, a, 5) != 5) return 5;
  // Two pages, the second one gone: the copy stops at the border.
  const pages = syscall(SYS_MMAP, 0, 8192, 3, 0x22, -1, 0) as u64;
  syscall(SYS_MUNMAP, pages + 4096, 4096, 0, 0, 0, 0);
  store<u32>(a, 0x12345678);
  if (tryCopyOut(pages + 4090, a, 10) != 4) return 6;
  if (peek32(pages + 4090) != 0x12345678) return 7;
  return tryCopyIn(a, pages + 4000, 200) == 104 ? 0 : 8;
}

export function calls(): u32 {
  if (syscall(SYS_GETPID, 0, 0, 0, 0, 0, 0) <= 0) return 1;
  if (syscall(100000, 1, 2, 3, 4, 5, 6) != -38) return 2;
  // All six arguments arrive: mmap with a descriptor of -1 and an offset.
  const page = syscall(SYS_MMAP, 0x10000000, 4096, 3, 0x100022, -1, 0);
  if (page != 0x10000000) return 3;
  return peek64(page as u64) == 0 ? 0 : 4;
}

export function atomics(): u32 {
  store<u32>(a, 5);
  if (compareExchange32(memoryBase() + a, 6, 7) != 5) return 1;
  if (load<u32>(a) != 5) return 2;
  if (compareExchange32(memoryBase() + a, 5, 0xffffffff) != 5) return 3;
  fence();
  pause();
  return load<u32>(a) == 0xffffffff ? 0 : 4;
}

export function bases(): u32 {
  writeGsBase(memoryBase() + a);
  syscall(SYS_ARCH_PRCTL, 0x1004, memoryBase() + b, 0, 0, 0, 0);
  if (load<u64>(b) != memoryBase() + a) return 1;
  syscall(SYS_ARCH_PRCTL, 0x1003, memoryBase() + b, 0, 0, 0, 0);
  return readFsBase() == load<u64>(b) ? 0 : 2;
}

export function vendor(): u32 {
  cpuid(0, 0, a);
  const isKnown = load<u32>(a + 4) == 0x756e6547 || load<u32>(a + 4) == 0x68747541;
  return isKnown && load<u32>(a) >= 1 ? 0 : 1;
}
