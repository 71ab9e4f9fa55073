// System calls of the engine's own. What a filter of the program's would do something about is not made: it answers
// -EPERM, and its caller does without (seccomp/filters.ts).

import { isFiltered, mayCall } from "../seccomp/filters";
import { memoryBase, syscall } from "../process";
import { EPERM } from "./errno";

/** The process address of linear memory's byte at `pointer`: what the kernel is given for a buffer of the engine's. */
export function addressOf(pointer: usize): u64 {
  return memoryBase() + (pointer as u64);
}

export function syscall6(number: u64, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64): i64 {
  if (isFiltered && !mayCall(number, a, b, c, d, e, f)) return -EPERM;
  return syscall(number, a, b, c, d, e, f);
}
export function syscall0(number: u32): i64 {
  return syscall6(number as u64, 0, 0, 0, 0, 0, 0);
}
export function syscall1(number: u32, a: u64): i64 {
  return syscall6(number as u64, a, 0, 0, 0, 0, 0);
}
export function syscall2(number: u32, a: u64, b: u64): i64 {
  return syscall6(number as u64, a, b, 0, 0, 0, 0);
}
export function syscall3(number: u32, a: u64, b: u64, c: u64): i64 {
  return syscall6(number as u64, a, b, c, 0, 0, 0);
}
export function syscall4(number: u32, a: u64, b: u64, c: u64, d: u64): i64 {
  return syscall6(number as u64, a, b, c, d, 0, 0);
}
export function syscall5(number: u32, a: u64, b: u64, c: u64, d: u64, e: u64): i64 {
  return syscall6(number as u64, a, b, c, d, e, 0);
}

/** Whether a result of a system call is -errno: the kernel's IS_ERR_VALUE. */
export function isError(result: i64): bool {
  return (result as u64) >= (-4095 as u64);
}
