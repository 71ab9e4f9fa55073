// /proc/PID/maps, line by line (show_map_vma of fs/proc/task_mmu.c):
//
//   7f1a835af000-7f1a835b0000 r-xs 00000000 00:01 1025       /memfd:code (deleted)
//   start        end          flags offset  device inode
//
// All functions expect the caller to hold the engine lock; one file at a time.

import { appendDecimal, appendText } from "../text";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../load/map";
import { Address } from "../process";
import { addressOf, isError, syscall1, syscall3, syscall4 } from "./calls";
import { SYS_CLOSE, SYS_OPENAT, SYS_READ } from "./numbers";

const AT_FDCWD: u64 = -100;
const O_RDONLY_CLOEXEC: u64 = 0x80000;

const path = memory.data(40, 8);
const BUFFER_SIZE: u32 = 4096;
const buffer = memory.data(4096, 8);
let filled: u32 = 0;
let taken: u32 = 0;
let file: i64 = -1;

/** Of the last line. */
export let mapStart: Address = 0;
export let mapEnd: Address = 0;
/** PROT_* */
export let mapProtection: u64 = 0;
export let isMapShared: bool = false;
/** In the file, bytes. */
export let mapOffset: u64 = 0;
/** As stat(2) has it. */
export let mapDevice: u64 = 0;
export let mapInode: u64 = 0;
/** Whether the file has no name (any more), for all that its line says. */
export let isMapDeleted: bool = false;

/** Begins with a process's first line; 0 stands for the caller. Gives 0, or -errno: ENOENT when there is no such process. */
export function openMaps(pid: u32): i64 {
  let at = appendText(path, "/proc/");
  at = pid == 0 ? appendText(at, "self") : appendDecimal(at, pid);
  store<u8>(appendText(at, "/maps"), 0);
  file = syscall4(SYS_OPENAT, AT_FDCWD, addressOf(path), O_RDONLY_CLOEXEC, 0);
  filled = 0;
  taken = 0;
  return isError(file) ? file : 0;
}

/** Reads the line of the caller's mapping that an address is in; false when there is none. */
export function findMap(address: Address): bool {
  if (openMaps(0) != 0) return false;
  let isFound = nextMap();
  while (isFound && mapEnd <= address) isFound = nextMap();
  closeMaps();
  return isFound && mapStart <= address;
}

/** Ends what `openMaps` began. */
export function closeMaps(): void {
  syscall1(SYS_CLOSE, file as u64);
}

/** The next character, or 0 at the end. */
function nextCharacter(): u32 {
  if (taken == filled) {
    const size = syscall3(SYS_READ, file as u64, addressOf(buffer), BUFFER_SIZE);
    if (size <= 0) return 0;
    filled = size as u32;
    taken = 0;
  }
  return load<u8>(buffer + taken++);
}

const NINE: u32 = 0x39;

/** A number in the notation of `base`, 10 or 16, and the character behind it. */
function nextNumber(base: u64): u64 {
  let value: u64 = 0;
  for (let digit = nextCharacter(); digit > 0x20 && digit != 0x2d && digit != 0x3a; digit = nextCharacter())
    value = value * base + ((digit > NINE ? digit - 0x57 : digit - 0x30) as u64);
  return value;
}

/** new_encode_dev of include/linux/kdev_t.h. */
function encodeDevice(major: u64, minor: u64): u64 {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

/** `deleted)` */
const DELETED: u64 = 0x29646574656c6564;

/** Reads one more line; false when there is none. */
export function nextMap(): bool {
  mapStart = nextNumber(16);
  mapEnd = nextNumber(16);
  if (mapEnd == 0) return false;
  mapProtection = nextCharacter() == 0x72 ? PROT_READ : 0;
  if (nextCharacter() == 0x77) mapProtection |= PROT_WRITE;
  if (nextCharacter() == 0x78) mapProtection |= PROT_EXEC;
  isMapShared = nextCharacter() == 0x73;
  nextCharacter();
  mapOffset = nextNumber(16);
  const major = nextNumber(16);
  mapDevice = encodeDevice(major, nextNumber(16));
  mapInode = nextNumber(10);
  let tail: u64 = 0;
  for (let character = nextCharacter(); character != 0x0a && character != 0; character = nextCharacter())
    tail = (tail >> 8) | ((character as u64) << 56);
  isMapDeleted = tail == DELETED;
  return true;
}
