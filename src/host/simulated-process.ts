// An address space for the engine in Node: answers the imports of module "process" (src/engine/process.ts), for
// `flicker inspect` and for tests.
//
// It is a list of regions, ascending, as in the kernel: equal neighbours are one. Bytes that nobody has written are not
// stored: they are the file's or zero, so mapping a file of 100 MB, or 100 GB that a lying header asks for, costs nothing.
// The engine's linear memory is part of the address space, read-write, at `memoryBase`, as in the launcher. Loads and
// stores that the real process would answer with SIGSEGV or SIGBUS throw `Fault`. Only the system calls that the engine's
// address-space code makes are here, with the kernel's argument checks that matter to it; any other number throws.
// The process is one without randomisation (ADDR_NO_RANDOMIZE) and its clock stands still: two runs are the same.
//
// `failAt(n, errno)` makes the n-th of the coming mmap, munmap, mprotect and mremap calls fail.

export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

export const PAGE_SIZE = 4096;
const PAGE = 4096n;

const SYS_WRITE = 1;
const SYS_CLOSE = 3;
const SYS_FSTAT = 5;
const SYS_MMAP = 9;
const SYS_MPROTECT = 10;
const SYS_MUNMAP = 11;
const SYS_PREAD64 = 17;
const SYS_MREMAP = 25;
const SYS_PERSONALITY = 135;
const SYS_GETTID = 186;
const SYS_MADVISE = 28;
const SYS_CLOCK_GETTIME = 228;
const SYS_EXIT_GROUP = 231;
const SYS_GETRANDOM = 318;

const ADDR_NO_RANDOMIZE = 0x40000n;
const MAP_SHARED = 1n;
const MAP_FIXED = 0x10n;
const MAP_ANONYMOUS = 0x20n;
const MAP_FIXED_NOREPLACE = 0x100000n;
const MREMAP_MAYMOVE = 1n;
const MREMAP_FIXED = 2n;

const EPERM = -1n;
const EBADF = -9n;
const ENOMEM = -12n;
const EEXIST = -17n;
const EINVAL = -22n;

/** One past the last page that a program can have: TASK_SIZE_MAX. */
const TASK_SIZE = 0x7ffffffff000n;
const MMAP_MIN = 0x10000n;

/** struct stat: its size, and where st_size is. */
const STAT_SIZE = 144;
const STAT_FILE_SIZE = 48;

export class Fault extends Error {}
export class ExitGroup extends Error {}

/** Where the bytes of a region come from until they are written. */
interface Backing {
  /** A file's bytes, or null for zeros. */
  readonly contents: Uint8Array | null;
  /** Shared mappings stay apart from their neighbours. */
  readonly shared: boolean;
}
const ANONYMOUS: Backing = { contents: null, shared: false };

/** Pages [first, end), by number: below 2^52, so a number is exact. */
interface Region {
  first: number;
  end: number;
  protection: number;
  backing: Backing;
  /** Page of the backing that `first` shows. */
  page: number;
}

function follows(last: Region, next: Region): boolean {
  if (last.end !== next.first || last.protection !== next.protection) return false;
  if (last.backing !== next.backing || last.backing.shared) return false;
  return last.backing.contents === null || last.page + (last.end - last.first) === next.page;
}

/** What a page holds until it is first written; never written itself. */
const ZEROS = new Uint8Array(PAGE_SIZE);

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
  /** Called with the address when `peek` comes to another page. */
  onPage: ((address: number) => void) | undefined;
  private readonly regions: Region[] = [];
  /** Pages that were written, by number; pages of a shared mapping may be here under several numbers. */
  private readonly written = new Map<number, Uint8Array>();
  private readonly files = new Map<number, Backing & { contents: Uint8Array }>();
  private failIn = 0;
  private failWith = ENOMEM;
  /** Where mmap without an address looks from, downwards. */
  private readonly mmapTop: bigint;
  /** The page that was peeked at last: its first address, or NaN, and its bytes. */
  private peekedAt = NaN;
  private peeked: DataView = new DataView(ZEROS.buffer);

  constructor(memoryBase = 0x100000000000n, mmapTop = 0x7fff_0000_0000n) {
    this.memoryBase = memoryBase;
    this.mmapTop = mmapTop;
  }

  // ---- From outside

  /** Maps [start, start + size), whatever is there. */
  map(start: bigint, size: number | bigint, protection: number, contents?: Uint8Array): void {
    const end = start + BigInt(size);
    this.mapRegion({ first: pageOf(start), end: pageOf(end + PAGE - 1n), protection, backing: ANONYMOUS, page: 0 });
    if (contents) this.overwrite(start, contents);
  }

  /** Maps a file's bytes from `start` on, not copied, whatever is there. */
  mapFile(start: bigint, protection: number, contents: Uint8Array): void {
    const end = pageOf(start + BigInt(contents.length) + PAGE - 1n);
    this.mapRegion({ first: pageOf(start), end, protection, backing: { contents, shared: false }, page: 0 });
  }

  /** How many pages of [start, end) have been written. */
  countWritten(start: bigint, end: bigint): number {
    let count = 0;
    for (const page of this.written.keys()) if (page >= pageOf(start) && page < pageOf(end + PAGE - 1n)) count++;
    return count;
  }

  /** A descriptor of a file with these bytes. */
  openFile(contents: Uint8Array): number {
    const descriptor = 3 + this.files.size;
    this.files.set(descriptor, { contents, shared: false });
    return descriptor;
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
    return this.regionOf(pageOf(address))?.protection;
  }

  /** What /proc/self/maps would have, but for the engine's memory: equal neighbours are one. */
  mappings(): Mapping[] {
    return this.regions.map(({ first, end, protection }) => ({
      start: BigInt(first) * PAGE,
      end: BigInt(end) * PAGE,
      protection,
    }));
  }

  /** A copy of everything that is mapped, by page address, to compare with later. */
  snapshot(): Map<bigint, { bytes: string; protection: number }> {
    const out = new Map<bigint, { bytes: string; protection: number }>();
    for (const region of this.regions) {
      for (let page = region.first; page < region.end; page++) {
        const bytes = Buffer.from(this.pageBytes(region, page) ?? ZEROS).toString("latin1");
        out.set(BigInt(page) * PAGE, { bytes, protection: region.protection });
      }
    }
    return out;
  }

  /** The n-th (from 1) of the coming address-space calls fails. */
  failAt(n: number, errno = 12): void {
    this.failIn = n;
    this.failWith = -BigInt(errno);
  }

  // ---- Regions

  /** Index of the first region that ends behind a page. */
  private indexOf(page: number): number {
    let low = 0;
    let high = this.regions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.regions[middle]!.end <= page) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private regionOf(page: number): Region | undefined {
    const region = this.regions[this.indexOf(page)];
    return region !== undefined && region.first <= page ? region : undefined;
  }

  /** Takes [first, end) out of the list; gives what was there. */
  private carve(first: number, end: number): Region[] {
    this.peekedAt = NaN;
    const index = this.indexOf(first);
    let after = index;
    while (after < this.regions.length && this.regions[after]!.first < end) after++;
    const taken: Region[] = [];
    const rest: Region[] = [];
    for (const region of this.regions.slice(index, after)) {
      const { page, first: start } = region;
      const inner = { ...region, first: Math.max(first, start), end: Math.min(end, region.end) };
      taken.push({ ...inner, page: page + inner.first - start });
      if (start < first) rest.push({ ...region, end: first });
      if (region.end > end) rest.push({ ...region, first: end, page: page + end - start });
    }
    this.regions.splice(index, after - index, ...rest);
    return taken;
  }

  /** Puts a region where nothing is, joined with its neighbours if they are equal. */
  private insert(region: Region): void {
    let index = this.indexOf(region.first);
    const before = this.regions[index - 1];
    if (before !== undefined && follows(before, region)) {
      before.end = region.end;
      region = before;
      index--;
    } else this.regions.splice(index, 0, region);
    const next = this.regions[index + 1];
    if (next !== undefined && follows(region, next)) {
      region.end = next.end;
      this.regions.splice(index + 1, 1);
    }
  }

  private forgetPages(first: number, end: number): void {
    if (end - first > this.written.size) {
      for (const page of this.written.keys()) if (page >= first && page < end) this.written.delete(page);
    } else for (let page = first; page < end; page++) this.written.delete(page);
  }

  private mapRegion(region: Region): void {
    this.carve(region.first, region.end);
    this.forgetPages(region.first, region.end);
    this.insert(region);
  }

  /** The bytes of a page, not to be written; undefined behind the end of a file. */
  private pageBytes(region: Region, page: number): Uint8Array | undefined {
    const own = this.written.get(page);
    if (own !== undefined) return own;
    const { contents } = region.backing;
    if (contents === null) return ZEROS;
    const offset = (region.page + page - region.first) * PAGE_SIZE;
    if (offset >= contents.length) return undefined;
    if (offset + PAGE_SIZE <= contents.length) return contents.subarray(offset, offset + PAGE_SIZE);
    const last = new Uint8Array(PAGE_SIZE);
    last.set(contents.subarray(offset));
    return last;
  }

  /** The same, to be written: a copy from then on. */
  private writablePage(region: Region, page: number): Uint8Array | undefined {
    const own = this.written.get(page);
    if (own !== undefined) return own;
    const bytes = this.pageBytes(region, page);
    if (bytes === undefined) return undefined;
    // Not slice(): that of a Buffer shares its memory.
    const copy = new Uint8Array(bytes);
    this.written.set(page, copy);
    this.peekedAt = NaN;
    return copy;
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
      const page = pageOf(at);
      const region = this.regionOf(page);
      if (!region || (region.protection & needed) !== needed) return done;
      const bytes = isWrite ? this.writablePage(region, page) : this.pageBytes(region, page);
      if (!bytes) return done;
      const from = Number(at % PAGE);
      const count = Math.min(size - done, PAGE_SIZE - from);
      visit(bytes, from, done, count);
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

  /** Searches peek at millions of places in a row: the page that was peeked at last is at hand. NaN when it is not that page. */
  private inPeekedPage(address: bigint, size: number): number {
    const offset = Number(address) - this.peekedAt;
    return offset >= 0 && offset <= PAGE_SIZE - size ? offset : this.turnToPage(address, size);
  }

  private turnToPage(address: bigint, size: number): number {
    const unsigned = BigInt.asUintN(64, address);
    const region = this.regionOf(pageOf(unsigned));
    if (!region || (region.protection & PROT_READ) === 0) return NaN;
    const bytes = this.pageBytes(region, pageOf(unsigned));
    if (!bytes) return NaN;
    this.peekedAt = pageOf(unsigned) * PAGE_SIZE;
    this.peeked = new DataView(bytes.buffer, bytes.byteOffset, PAGE_SIZE);
    this.onPage?.(this.peekedAt);
    const offset = Number(unsigned % PAGE);
    return offset <= PAGE_SIZE - size ? offset : NaN;
  }

  private peek8(address: bigint): number {
    const offset = this.inPeekedPage(address, 1);
    return Number.isNaN(offset) ? Number(this.load(address, 1)) : this.peeked.getUint8(offset);
  }

  private peek64(address: bigint): bigint {
    const offset = this.inPeekedPage(address, 8);
    return Number.isNaN(offset) ? BigInt.asIntN(64, this.load(address, 8)) : this.peeked.getBigInt64(offset, true);
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
    const next = this.regions[this.indexOf(pageOf(start))];
    return next === undefined || next.first >= pageOf(start + size);
  }

  private findFree(size: bigint): bigint {
    for (let at = this.mmapTop - size; at >= MMAP_MIN; at -= size) if (this.isFree(at, size)) return at;
    return ENOMEM;
  }

  private mmap(address: bigint, length: bigint, protection: bigint, flags: bigint, fd: bigint, offset: bigint): bigint {
    const size = (length + PAGE - 1n) & ~(PAGE - 1n);
    if (size === 0n || offset % PAGE !== 0n) return EINVAL;
    let backing: Backing = (flags & MAP_SHARED) !== 0n ? { contents: null, shared: true } : ANONYMOUS;
    if ((flags & MAP_ANONYMOUS) === 0n) {
      const file = this.files.get(Number(fd));
      if (file === undefined) return EBADF;
      backing = file;
    }
    let start = address;
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
      if (address % PAGE !== 0n) return EINVAL;
      if (address < MMAP_MIN) return EPERM;
      if (address + size > TASK_SIZE) return ENOMEM;
      if ((flags & MAP_FIXED_NOREPLACE) !== 0n && !this.isFree(start, size)) return EEXIST;
    } else {
      start = this.findFree(size);
      if (start < 0n) return start;
    }
    this.mapRegion({
      first: pageOf(start),
      end: pageOf(start + size),
      protection: Number(protection),
      backing,
      page: pageOf(offset),
    });
    return start;
  }

  private munmap(start: bigint, length: bigint): bigint {
    if (start % PAGE !== 0n || length === 0n) return EINVAL;
    const [first, end] = [pageOf(start), pageOf(start + length + PAGE - 1n)];
    this.carve(first, end);
    this.forgetPages(first, end);
    return 0n;
  }

  private mprotect(start: bigint, size: bigint, protection: bigint): bigint {
    if (start % PAGE !== 0n) return EINVAL;
    if (Number(protection) & PROT_WRITE && Number(protection) & PROT_EXEC) throw new Fault("W^X is broken (I5)");
    const [first, end] = [pageOf(start), pageOf(start + size + PAGE - 1n)];
    let reached = first;
    for (const region of this.carve(first, end)) {
      // Behind a hole nothing changes, as in the kernel.
      const isBeforeHole = region.first === reached;
      if (isBeforeHole) reached = region.end;
      this.insert(isBeforeHole ? { ...region, protection: Number(protection) } : region);
    }
    return reached < end ? ENOMEM : 0n;
  }

  private mremap(old: bigint, oldSize: bigint, newSize: bigint, flags: bigint, target: bigint): bigint {
    if (flags !== (MREMAP_MAYMOVE | MREMAP_FIXED)) return EINVAL;
    if (oldSize === 0n) return this.duplicate(old, newSize, target);
    if (oldSize !== newSize) return EINVAL;
    if (old % PAGE !== 0n || target % PAGE !== 0n || oldSize % PAGE !== 0n) return EINVAL;
    if (old < target + newSize && target < old + oldSize) return EINVAL;
    const [first, end, to] = [pageOf(old), pageOf(old + oldSize), pageOf(target)];
    const moved = this.carve(first, end);
    const pages = moved.reduce((sum, region) => sum + region.end - region.first, 0);
    if (pages !== end - first) throw new Fault(`mremap of ${hex(old)}, which is not mapped`);
    this.carve(to, to + pages);
    this.forgetPages(to, to + pages);
    for (const region of moved) {
      this.insert({ ...region, first: region.first - first + to, end: region.end - first + to });
    }
    for (let page = first; page < end; page++) {
      const own = this.written.get(page);
      if (own === undefined) continue;
      this.written.delete(page);
      this.written.set(page - first + to, own);
    }
    return target;
  }

  /** A second view of a shared mapping: mremap with an old size of 0. */
  private duplicate(old: bigint, size: bigint, target: bigint): bigint {
    const region = this.regionOf(pageOf(old));
    const [first, to, pages] = [pageOf(old), pageOf(target), pageOf(size)];
    if (!region?.backing.shared || target % PAGE !== 0n || first + pages > region.end) return EINVAL;
    this.mapRegion({ ...region, first: to, end: to + pages, page: region.page + first - region.first });
    for (let i = 0; i < pages; i++) this.written.set(to + i, this.writablePage(region, first + i)!);
    return target;
  }

  private addressSpaceCall(number: number, args: bigint[]): bigint {
    const [a, b, c, d, e, f] = args as [bigint, bigint, bigint, bigint, bigint, bigint];
    if (this.failIn > 0 && --this.failIn === 0) return this.failWith;
    if (number === SYS_MMAP) return this.mmap(a, b, c, d, e, f);
    if (number === SYS_MUNMAP) return this.munmap(a, b);
    if (number === SYS_MPROTECT) return this.mprotect(a, b, c);
    return this.mremap(a, b, c, d, e);
  }

  private pread(descriptor: bigint, buffer: bigint, size: bigint, offset: bigint): bigint {
    const contents = this.files.get(Number(descriptor))?.contents;
    if (contents === undefined) return EBADF;
    const start = offset < BigInt(contents.length) ? Number(offset) : contents.length;
    const bytes = contents.subarray(start, start + Number(size));
    this.overwrite(buffer, bytes);
    return BigInt(bytes.length);
  }

  private fstat(descriptor: bigint, buffer: bigint): bigint {
    const contents = this.files.get(Number(descriptor))?.contents;
    if (contents === undefined) return EBADF;
    const stat = new Uint8Array(STAT_SIZE);
    new DataView(stat.buffer).setBigUint64(STAT_FILE_SIZE, BigInt(contents.length), true);
    this.overwrite(buffer, stat);
    return 0n;
  }

  private syscall(number: bigint, ...args: bigint[]): bigint {
    const values = args.map((value) => BigInt.asUintN(64, value));
    const names: Record<number, Call["name"]> = {
      [SYS_MMAP]: "mmap",
      [SYS_MPROTECT]: "mprotect",
      [SYS_MUNMAP]: "munmap",
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
      case SYS_CLOSE:
        return this.files.has(Number(values[0])) ? 0n : EBADF;
      case SYS_FSTAT:
        return this.fstat(values[0]!, values[1]!);
      case SYS_PREAD64:
        return this.pread(values[0]!, values[1]!, values[2]!, values[3]!);
      case SYS_MADVISE:
        this.overwrite(values[0]!, new Uint8Array(Number(values[1])));
        return 0n;
      case SYS_PERSONALITY:
        return ADDR_NO_RANDOMIZE;
      case SYS_GETRANDOM:
        this.overwrite(values[0]!, new Uint8Array(Number(values[1])));
        return values[1]!;
      case SYS_CLOCK_GETTIME:
        this.overwrite(values[1]!, new Uint8Array(16));
        return 0n;
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
      peek8: (address: bigint) => this.peek8(address),
      peek16: (address: bigint) => Number(this.load(address, 2)),
      peek32: (address: bigint) => Number(this.load(address, 4)) | 0,
      peek64: (address: bigint) => this.peek64(address),
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
      programSyscall: (number: bigint, ...args: bigint[]) => BigInt.asIntN(64, this.syscall(number, ...args)),
      compareExchange32: (address: bigint, expected: number, desired: number) => {
        const found = Number(this.load(address, 4)) | 0;
        if (found === (expected | 0)) this.store(address, 4, BigInt(desired >>> 0));
        return found;
      },
      memoryBase: () => BigInt.asIntN(64, this.memoryBase),
      stackPointer: () => 0n,
      writeGsBase: () => {},
      readFsBase: () => 0n,
      cpuid: () => {
        throw new Error("the simulated process has no cpuid");
      },
      callHook: () => 0,
      debuggerEvent: () => {},
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
