// An address space for the engine in Node: answers the imports of module "process" (src/engine/process.ts).
//
// Pages are sparse. The engine's linear memory is part of the address space, read-write, at `memoryBase`, as in the
// launcher. Loads and stores that the real process would answer with SIGSEGV throw `Fault`. Only the system calls that
// the engine's address-space code makes are here, with the kernel's argument checks that matter to it; any other number
// throws. `mappings()` gives what /proc/self/maps would: runs of pages of equal protection, where the kernel would have
// merged them (it may keep some apart, never join more).
//
// `failAt(n, errno)` makes the n-th of the coming mmap, munmap, mprotect and mremap calls fail.

export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

export const PAGE_SIZE = 4096;
const PAGE = 4096n;

const SYS_WRITE = 1;
const SYS_MMAP = 9;
const SYS_MPROTECT = 10;
const SYS_MUNMAP = 11;
const SYS_MREMAP = 25;
const SYS_GETTID = 186;
const SYS_EXIT_GROUP = 231;

const MAP_FIXED = 0x10n;
const MAP_ANONYMOUS = 0x20n;
const MAP_FIXED_NOREPLACE = 0x100000n;
const MREMAP_MAYMOVE = 1n;
const MREMAP_FIXED = 2n;

const EPERM = -1n;
const ENOMEM = -12n;
const EEXIST = -17n;
const EINVAL = -22n;

/** One past the last page that a program can have: TASK_SIZE_MAX. */
const TASK_SIZE = 0x7ffffffff000n;
const MMAP_MIN = 0x10000n;

export class Fault extends Error {}
export class ExitGroup extends Error {}

interface Page {
  bytes: Uint8Array;
  protection: number;
}

/** What a page holds until it is first written; never written itself. */
const ZEROS = new Uint8Array(PAGE_SIZE);

function writable(page: Page): Uint8Array {
  if (page.bytes === ZEROS) page.bytes = new Uint8Array(PAGE_SIZE);
  return page.bytes;
}

export interface Mapping {
  start: bigint;
  end: bigint;
  protection: number;
}

export interface Call {
  name: "mmap" | "munmap" | "mprotect" | "mremap";
  start: bigint;
  size: bigint;
  result: bigint;
}

export class SimulatedProcess {
  /** Set after instantiation: the engine's linear memory. */
  memory: WebAssembly.Memory | undefined;
  readonly memoryBase: bigint;
  /** Every mmap, munmap, mprotect and mremap so far. */
  calls: Call[] = [];
  /** What the engine wrote to file descriptor 2. */
  stderr = "";
  /** By page number: below 2^52, so a number is exact. */
  private readonly pages = new Map<number, Page>();
  private failIn = 0;
  private failWith = ENOMEM;
  /** Where mmap without an address looks from, downwards. */
  private mmapTop: bigint;

  constructor(memoryBase = 0x100000000000n, mmapTop = 0x7fff_0000_0000n) {
    this.memoryBase = memoryBase;
    this.mmapTop = mmapTop;
  }

  // ---- For tests

  /** Maps [start, start + size), whatever is there. */
  map(start: bigint, size: number | bigint, protection: number, contents?: Uint8Array): void {
    for (let at = start & ~(PAGE - 1n); at < start + BigInt(size); at += PAGE) {
      this.pages.set(pageOf(at), { bytes: ZEROS, protection });
    }
    if (contents) this.overwrite(start, contents);
  }

  /** Reads bytes without regard to protection. */
  bytesAt(start: bigint, size: number): Uint8Array {
    const out = new Uint8Array(size);
    this.eachPiece(start, size, 0, false, (bytes, from, done, count) => {
      out.set(bytes.subarray(from, from + count), done);
    });
    return out;
  }

  /** Writes bytes without regard to protection. */
  overwrite(start: bigint, contents: Uint8Array): void {
    this.eachPiece(start, contents.length, 0, true, (bytes, from, done, count) => {
      bytes.set(contents.subarray(done, done + count), from);
    });
  }

  protectionAt(address: bigint): number | undefined {
    return this.pages.get(pageOf(address))?.protection;
  }

  mappings(): Mapping[] {
    const numbers = [...this.pages.keys()].sort((a, b) => a - b);
    const out: Mapping[] = [];
    for (const number of numbers) {
      const protection = this.pages.get(number)!.protection;
      const last = out[out.length - 1];
      const start = BigInt(number) * PAGE;
      if (last && last.end === start && last.protection === protection) last.end += PAGE;
      else out.push({ start, end: start + PAGE, protection });
    }
    return out;
  }

  /** A copy of everything that is mapped, by page address, to compare with later. */
  snapshot(): Map<bigint, { bytes: string; protection: number }> {
    const out = new Map<bigint, { bytes: string; protection: number }>();
    for (const [number, page] of this.pages) {
      out.set(BigInt(number) * PAGE, {
        bytes: Buffer.from(page.bytes).toString("latin1"),
        protection: page.protection,
      });
    }
    return out;
  }

  /** The n-th (from 1) of the coming address-space calls fails. */
  failAt(n: number, errno = 12): void {
    this.failIn = n;
    this.failWith = -BigInt(errno);
  }

  // ---- Access

  private eachPiece(
    start: bigint,
    size: number,
    needed: number,
    isWrite: boolean,
    visit: (bytes: Uint8Array, from: number, done: number, count: number) => void,
  ): number {
    let done = 0;
    while (done < size) {
      const at = BigInt.asUintN(64, start + BigInt(done));
      const offset = at - this.memoryBase;
      if (this.memory && offset >= 0n && offset < BigInt(this.memory.buffer.byteLength)) {
        const count = Math.min(size - done, this.memory.buffer.byteLength - Number(offset));
        visit(new Uint8Array(this.memory.buffer), Number(offset), done, count);
        done += count;
        continue;
      }
      const page = this.pages.get(pageOf(at));
      if (!page || (page.protection & needed) !== needed) return done;
      const from = Number(at % PAGE);
      const count = Math.min(size - done, PAGE_SIZE - from);
      visit(isWrite ? writable(page) : page.bytes, from, done, count);
      done += count;
    }
    return done;
  }

  private linear(pointer: number, size: number): Uint8Array {
    return new Uint8Array(this.memory!.buffer, pointer >>> 0, size);
  }

  private load(address: bigint, size: number): bigint {
    let value = 0n;
    const got = this.eachPiece(BigInt.asUintN(64, address), size, PROT_READ, false, (bytes, from, done, count) => {
      for (let i = 0; i < count; i++) value |= BigInt(bytes[from + i]!) << BigInt(8 * (done + i));
    });
    if (got !== size) throw new Fault(`load of ${size} bytes at ${hex(address)}`);
    return value;
  }

  private store(address: bigint, size: number, value: bigint): void {
    const got = this.eachPiece(BigInt.asUintN(64, address), size, PROT_WRITE, true, (bytes, from, done, count) => {
      for (let i = 0; i < count; i++) bytes[from + i] = Number((value >> BigInt(8 * (done + i))) & 0xffn);
    });
    if (got !== size) throw new Fault(`store of ${size} bytes at ${hex(address)}`);
  }

  private copyIn(pointer: number, address: bigint, size: number): number {
    const to = this.linear(pointer, size);
    return this.eachPiece(BigInt.asUintN(64, address), size, PROT_READ, false, (bytes, from, done, count) => {
      to.set(bytes.subarray(from, from + count), done);
    });
  }

  private copyOut(address: bigint, pointer: number, size: number): number {
    const source = this.linear(pointer, size);
    return this.eachPiece(BigInt.asUintN(64, address), size, PROT_WRITE, true, (bytes, from, done, count) => {
      bytes.set(source.subarray(done, done + count), from);
    });
  }

  // ---- System calls

  private isFree(start: bigint, size: bigint): boolean {
    for (let at = start / PAGE; at < (start + size) / PAGE; at++) if (this.pages.has(Number(at))) return false;
    return true;
  }

  private findFree(size: bigint): bigint {
    for (let at = this.mmapTop - size; at >= MMAP_MIN; at -= size) if (this.isFree(at, size)) return at;
    return ENOMEM;
  }

  private unmap(start: bigint, size: bigint): void {
    for (let at = start; at < start + size; at += PAGE) this.pages.delete(pageOf(at));
  }

  private mmap(address: bigint, length: bigint, protection: bigint, flags: bigint): bigint {
    const size = (length + PAGE - 1n) & ~(PAGE - 1n);
    if (size === 0n || (flags & MAP_ANONYMOUS) === 0n) return EINVAL;
    let start = address;
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
      if (address % PAGE !== 0n) return EINVAL;
      if (address < MMAP_MIN) return EPERM;
      if (address + size > TASK_SIZE) return ENOMEM;
      if ((flags & MAP_FIXED_NOREPLACE) !== 0n && !this.isFree(start, size)) return EEXIST;
      this.unmap(start, size);
    } else {
      start = this.findFree(size);
      if (start < 0n) return start;
    }
    for (let at = start; at < start + size; at += PAGE) {
      this.pages.set(pageOf(at), { bytes: ZEROS, protection: Number(protection) });
    }
    return start;
  }

  private mprotect(start: bigint, size: bigint, protection: bigint): bigint {
    if (start % PAGE !== 0n) return EINVAL;
    for (let at = start; at < start + size; at += PAGE) {
      const page = this.pages.get(pageOf(at));
      if (!page) return ENOMEM;
      if (Number(protection) & PROT_WRITE && Number(protection) & PROT_EXEC) throw new Fault("W^X is broken (I5)");
      page.protection = Number(protection);
    }
    return 0n;
  }

  private mremap(old: bigint, oldSize: bigint, newSize: bigint, flags: bigint, target: bigint): bigint {
    if (flags !== (MREMAP_MAYMOVE | MREMAP_FIXED) || oldSize !== newSize || oldSize === 0n) return EINVAL;
    if (old % PAGE !== 0n || target % PAGE !== 0n || oldSize % PAGE !== 0n) return EINVAL;
    if (old < target + newSize && target < old + oldSize) return EINVAL;
    const moved: Page[] = [];
    for (let at = old; at < old + oldSize; at += PAGE) {
      const page = this.pages.get(pageOf(at));
      if (!page) throw new Fault(`mremap of ${hex(at)}, which is not mapped`);
      moved.push(page);
    }
    this.unmap(old, oldSize);
    moved.forEach((page, i) => this.pages.set(pageOf(target) + i, page));
    return target;
  }

  private addressSpaceCall(number: number, args: bigint[]): bigint {
    const [a, b, c, d, e] = args as [bigint, bigint, bigint, bigint, bigint, bigint];
    if (this.failIn > 0 && --this.failIn === 0) return this.failWith;
    if (number === SYS_MMAP) return this.mmap(a, b, c, d);
    if (number === SYS_MUNMAP) {
      if (a % PAGE !== 0n || b === 0n) return EINVAL;
      this.unmap(a, (b + PAGE - 1n) & ~(PAGE - 1n));
      return 0n;
    }
    if (number === SYS_MPROTECT) return this.mprotect(a, b, c);
    return this.mremap(a, b, c, d, e);
  }

  private syscall(number: bigint, ...args: bigint[]): bigint {
    const values = args.map((value) => BigInt.asUintN(64, value));
    const names: Record<number, Call["name"]> = {
      [SYS_MMAP]: "mmap",
      [SYS_MUNMAP]: "munmap",
      [SYS_MPROTECT]: "mprotect",
      [SYS_MREMAP]: "mremap",
    };
    const name = names[Number(number)];
    if (name) {
      const result = this.addressSpaceCall(Number(number), values);
      this.calls.push({ name, start: values[0]!, size: values[1]!, result });
      return result;
    }
    switch (Number(number)) {
      case SYS_WRITE:
        this.stderr += Buffer.from(this.bytesAt(values[1]!, Number(values[2]))).toString("latin1");
        return values[2]!;
      case SYS_GETTID:
        return 1n;
      case SYS_EXIT_GROUP:
        throw new ExitGroup(`exit status ${values[0]}: ${this.stderr.trim()}`);
    }
    throw new Error(`the simulated process has no system call ${number}`);
  }

  /** What a module that imports "process" is instantiated with. Set `memory` afterwards. */
  imports(): Record<string, WebAssembly.ImportValue> {
    const checked = (left: number, what: string, address: bigint): void => {
      if (left !== 0) throw new Fault(`${what} at ${hex(address)}, ${left} bytes left`);
    };
    return {
      peek8: (address: bigint) => Number(this.load(address, 1)),
      peek16: (address: bigint) => Number(this.load(address, 2)),
      peek32: (address: bigint) => Number(this.load(address, 4)) | 0,
      peek64: (address: bigint) => BigInt.asIntN(64, this.load(address, 8)),
      poke8: (address: bigint, value: number) => this.store(address, 1, BigInt(value >>> 0)),
      poke16: (address: bigint, value: number) => this.store(address, 2, BigInt(value >>> 0)),
      poke32: (address: bigint, value: number) => this.store(address, 4, BigInt(value >>> 0)),
      poke64: (address: bigint, value: bigint) => this.store(address, 8, BigInt.asUintN(64, value)),
      copyIn: (pointer: number, address: bigint, size: number) => {
        checked(size - this.copyIn(pointer, address, size), "copyIn", address);
      },
      copyOut: (address: bigint, pointer: number, size: number) => {
        checked(size - this.copyOut(address, pointer, size), "copyOut", address);
      },
      tryCopyIn: (pointer: number, address: bigint, size: number) => size - this.copyIn(pointer, address, size),
      tryCopyOut: (address: bigint, pointer: number, size: number) => size - this.copyOut(address, pointer, size),
      syscall: (number: bigint, ...args: bigint[]) => BigInt.asIntN(64, this.syscall(number, ...args)),
      compareExchange32: (address: bigint, expected: number, desired: number) => {
        const found = Number(this.load(address, 4)) | 0;
        if (found === (expected | 0)) this.store(address, 4, BigInt(desired >>> 0));
        return found;
      },
      memoryBase: () => BigInt.asIntN(64, this.memoryBase),
      threadPointer: () => 0,
      writeGsBase: () => {},
      readFsBase: () => 0n,
      cpuid: () => {
        throw new Error("the simulated process has no cpuid");
      },
      pause: () => {},
      fence: () => {},
    };
  }
}

function pageOf(address: bigint): number {
  return Number(address / PAGE);
}

function hex(address: bigint): string {
  return `0x${BigInt.asUintN(64, address).toString(16)}`;
}
