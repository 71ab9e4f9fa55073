// What trampolines are called: `flicker:trampoline libc.so.6+0x10f2c3`. The name of the file that the site is in, and the
// site's address there as the file's own headers count it, which is what objdump and addr2line take.
//
// Kept only when somebody asked for names (--perf-map, --gdb-jit): one entry of 96 bytes for each executable mapping, in a
// table of fixed size. A mapping that finds no room has trampolines without names.

import { addressOf, isError, syscall3, syscall4 } from "../kernel/calls";
import { SYS_PREAD64, SYS_READLINK } from "../kernel/numbers";
import { ELF_MAGIC, FileHeader, PF_X, PROGRAM_HEADER_SIZE, PT_LOAD, ProgramHeader } from "../load/elf";
import { SITE, STUB, VICTIM } from "../patch/record";
import { Address } from "../process";
import { appendBytes, appendDecimal, appendHex, appendText } from "../text";

const NAME_SIZE: usize = 72;

@unmanaged
class Code {
  start: Address;
  end: Address;
  /** An address in the process less the file's. */
  bias: u64;
  // The name follows, zero-terminated.
}
const CODE_SIZE: usize = offsetof<Code>() + NAME_SIZE;
const CODE_MAX: u32 = 1024;
const table = memory.data(98304, 8);
let count: u32 = 0;

function codeAt(index: u32): Code {
  return changetype<Code>(table + (index as usize) * CODE_SIZE);
}

function nameOf(code: Code): usize {
  return changetype<usize>(code) + offsetof<Code>();
}

/** The longest name that `appendName` makes. */
export const NAME_MAX: u32 = 128;

const PATH_MAX: usize = 4096;
const path = memory.data(4352, 8);
const header = memory.data(64, 8);
const HEADERS_MAX: u32 = 64;
const headers = memory.data(3584, 8);

/** The address that the file's headers give to the byte at `offset`; the offset itself where they give none. */
function addressInFile(descriptor: i32, offset: u64): u64 {
  if (syscall4(SYS_PREAD64, descriptor, addressOf(header), 64, 0) != 64) return offset;
  const file = changetype<FileHeader>(header);
  if (file.magic != ELF_MAGIC || file.phentsize != (PROGRAM_HEADER_SIZE as u16)) return offset;
  const size = min(file.phnum as u32, HEADERS_MAX) * (PROGRAM_HEADER_SIZE as u32);
  if (syscall4(SYS_PREAD64, descriptor, addressOf(headers), size, file.phoff) != (size as i64)) return offset;
  for (let at: u32 = 0; at < size; at += PROGRAM_HEADER_SIZE as u32) {
    const segment = changetype<ProgramHeader>(headers + at);
    if (segment.type != PT_LOAD || (segment.flags & PF_X) == 0) continue;
    const first = segment.offset & ~0xfff;
    if (offset >= first && offset < segment.offset + segment.filesz) return segment.vaddr - segment.offset + offset;
  }
  return offset;
}

function newCode(start: Address, end: Address): usize {
  if (count == CODE_MAX) return 0;
  const code = codeAt(count++);
  code.start = start;
  code.end = end;
  return changetype<usize>(code);
}

/** Names the code in [start, end), which maps the file of a descriptor from `offset` on. */
export function nameCode(start: Address, end: Address, descriptor: i32, offset: u64): void {
  const pointer = newCode(start, end);
  if (pointer == 0) return;
  const code = changetype<Code>(pointer);
  code.bias = start - addressInFile(descriptor, offset);
  store<u8>(appendDecimal(appendText(path, "/proc/thread-self/fd/"), descriptor as u64), 0);
  const got = syscall3(SYS_READLINK, addressOf(path), addressOf(path), PATH_MAX);
  store<u8>(path + (isError(got) ? (0 as usize) : (got as usize)), 0);
  let component = path;
  for (let at = path; load<u8>(at) != 0; at++) if (load<u8>(at) == 47) component = at + 1;
  let to = nameOf(code);
  const last = to + NAME_SIZE - 1;
  for (; load<u8>(component) != 0 && to < last; component++) {
    // A line of the perf map ends with a newline, whatever a file is called.
    const byte = load<u8>(component);
    store<u8>(to++, byte < 32 ? 63 : byte);
  }
  store<u8>(to, 0);
}

/** Names code that no file describes; its addresses count from `base`. */
export function nameCodeInMemory(start: Address, end: Address, base: Address, name: string): void {
  const pointer = newCode(start, end);
  if (pointer == 0) return;
  const code = changetype<Code>(pointer);
  code.bias = base;
  store<u8>(appendText(nameOf(code), name), 0);
}

/** Forgets the names of code that lies in [start, end) whole. */
export function forgetNames(start: Address, end: Address): void {
  for (let i: u32 = 0; i < count;) {
    const code = codeAt(i);
    if (code.start >= start && code.end <= end) {
      count -= 1;
      memory.copy(changetype<usize>(code), changetype<usize>(codeAt(count)), CODE_SIZE);
    } else i++;
  }
}

/** Whether trampolines of this kind (patch/record.ts) have names. A relay is in the program's own code. */
export function hasName(kind: u8): bool {
  return kind == SITE || kind == VICTIM || kind == STUB;
}

/** Appends the name of the trampoline of a kind for the instruction at `original`. */
export function appendName(at: usize, kind: u8, original: Address): usize {
  if (kind == SITE) at = appendText(at, "flicker:trampoline ");
  else if (kind == VICTIM) at = appendText(at, "flicker:evicted ");
  else if (kind == STUB) at = appendText(at, "flicker:stub ");
  else return appendText(at, "flicker:island");
  for (let i: u32 = 0; i < count; i++) {
    const code = codeAt(i);
    if (original < code.start || original >= code.end) continue;
    at = appendText(appendBytes(at, nameOf(code)), "+0x");
    return appendHex(at, original - code.bias);
  }
  return appendHex(appendText(at, "0x"), original);
}
