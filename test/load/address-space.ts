// An address space and files for the loader in Node. Areas are ranges, as the kernel's are, so that a segment may be of
// terabytes; test/support/simulated-process.ts keeps pages and serves the planner.
//
// It answers the system calls of the loader with the kernel's checks (ksys_mmap_pgoff and do_mmap of mm/mmap.c), has no
// memory for writable mappings of more than WRITABLE_MAX, and throws when anything is done to a `neighbour`, which stands
// for the engine's memory, the stack and whatever else is there.

import { ExitGroup, Fault, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../src/host/simulated-process.js";

export const TASK_SIZE = 0x7ffffffff000;
const PAGE = 4096;
const MMAP_MIN = 0x10000;
export const WRITABLE_MAX = 1 << 26;

const EPERM = -1n;
const ENOENT = -2n;
const ENOMEM = -12n;
const EACCES = -13n;
const EEXIST = -17n;
const EINVAL = -22n;
const ENOSYS = -38n;
const ENODATA = -61n;
const EOVERFLOW = -75n;

const MAP_FIXED = 0x10n;
const MAP_ANONYMOUS = 0x20n;
const MAP_FIXED_NOREPLACE = 0x100000n;

export interface Area {
  start: number;
  end: number;
  protection: number;
  file: Uint8Array | null;
  /** Of the first byte, in the file. */
  offset: bigint;
  isNeighbour: boolean;
}

const ceil = (value: number): number => Math.ceil(value / PAGE) * PAGE;
const floor = (value: number): number => Math.floor(value / PAGE) * PAGE;

export class AddressSpace {
  memory: WebAssembly.Memory | undefined;
  /** By path. A file that is not executable is not there for the loader. */
  readonly files = new Map<string, Uint8Array>();
  areas: Area[] = [];
  stderr = "";
  /** Bytes of pages that were written to. */
  private readonly pages = new Map<number, Uint8Array>();
  private readonly open = new Map<number, Uint8Array>();
  private readonly neighbours: readonly Area[];

  constructor(
    readonly memoryBase: number,
    neighbours: readonly [start: number, end: number][],
    private readonly mmapTop: number,
    private readonly random: () => bigint,
  ) {
    this.neighbours = neighbours.map(([start, end]) => {
      return { start, end, protection: PROT_READ, file: null, offset: 0n, isNeighbour: true };
    });
    this.clear();
  }

  /** As at the start: nothing but the neighbours. */
  clear(): void {
    this.areas = this.neighbours.map((area) => ({ ...area }));
    this.pages.clear();
    this.open.clear();
    this.stderr = "";
  }

  get openCount(): number {
    return this.open.size;
  }

  areaAt(address: number): Area | undefined {
    return this.areas.find(({ start, end }) => start <= address && address < end);
  }

  /** What is mapped beside the neighbours, by address. */
  mapped(): Area[] {
    return this.areas.filter(({ isNeighbour }) => !isNeighbour).sort((a, b) => a.start - b.start);
  }

  /** A page's bytes, or null where an access would be SIGBUS. */
  page(address: number): Uint8Array | null {
    const area = this.areaAt(address);
    if (!area) throw new Fault(`nothing is mapped at 0x${address.toString(16)}`);
    const own = this.pages.get(address);
    if (own) return own;
    const out = new Uint8Array(PAGE);
    if (!area.file) return out;
    const offset = area.offset + BigInt(address - area.start);
    if (offset >= BigInt(ceil(area.file.length))) return null;
    out.set(area.file.subarray(Number(offset), Number(offset) + PAGE));
    return out;
  }

  // ---- Changes

  private overlaps(start: number, end: number): boolean {
    return this.areas.some((area) => area.start < end && start < area.end);
  }

  /** Cuts [start, end) out of the areas and gives what was there. */
  private carve(start: number, end: number): Area[] {
    const taken: Area[] = [];
    const kept: Area[] = [];
    for (const area of this.areas) {
      if (area.end <= start || end <= area.start) {
        kept.push(area);
        continue;
      }
      if (area.isNeighbour) throw new Error(`a neighbour at 0x${area.start.toString(16)} is changed`);
      const cut = (from: number, to: number): Area => ({
        ...area,
        start: from,
        end: to,
        offset: area.offset + BigInt(from - area.start),
      });
      if (area.start < start) kept.push(cut(area.start, start));
      if (end < area.end) kept.push(cut(end, area.end));
      taken.push(cut(Math.max(start, area.start), Math.min(end, area.end)));
    }
    this.areas = kept;
    return taken;
  }

  private unmap(start: number, end: number): void {
    this.carve(start, end);
    for (const page of this.pages.keys()) if (page >= start && page < end) this.pages.delete(page);
  }

  private findFree(size: number): number {
    let end = this.mmapTop;
    for (const area of [...this.areas].sort((a, b) => b.start - a.start)) {
      if (area.start >= end) continue;
      if (area.end <= end - size) break;
      end = area.start;
    }
    return end - size;
  }

  private mmap(
    address: bigint,
    length: bigint,
    protection: number,
    flags: bigint,
    file: bigint,
    offset: bigint,
  ): bigint {
    const isFile = (flags & MAP_ANONYMOUS) === 0n;
    if (offset % 4096n !== 0n) return EINVAL;
    if (length === 0n) return EINVAL;
    if (length > BigInt(TASK_SIZE)) return ENOMEM;
    const size = ceil(Number(length));
    const content = isFile ? this.open.get(Number(file)) : undefined;
    if (isFile && !content) throw new Error(`mmap of descriptor ${file}, which is not open`);
    // MAX_LFS_FILESIZE, and the page offset's overflow.
    if (isFile && offset + BigInt(size) > (1n << 63n) - 1n) return EOVERFLOW;
    if (protection & PROT_WRITE && size > WRITABLE_MAX) return ENOMEM;
    let start = Number(address);
    if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0n) {
      if (address % 4096n !== 0n) return EINVAL;
      if (address > BigInt(TASK_SIZE - size)) return ENOMEM;
      if (start < MMAP_MIN) return EPERM;
      if ((flags & MAP_FIXED_NOREPLACE) !== 0n && this.overlaps(start, start + size)) return EEXIST;
      this.unmap(start, start + size);
    } else {
      start = this.findFree(size);
      if (start < MMAP_MIN) return ENOMEM;
    }
    this.areas.push({ start, end: start + size, protection, file: content ?? null, offset, isNeighbour: false });
    return BigInt(start);
  }

  private munmap(address: bigint, length: bigint): bigint {
    if (address % 4096n !== 0n || length === 0n || address + length > BigInt(TASK_SIZE)) return EINVAL;
    this.unmap(Number(address), ceil(Number(address + length)));
    return 0n;
  }

  private mprotect(address: bigint, length: bigint, protection: number): bigint {
    if (address % 4096n !== 0n) return EINVAL;
    const [start, end] = [Number(address), ceil(Number(address + length))];
    const taken = this.carve(start, end);
    this.areas.push(...taken.map((area) => ({ ...area, protection })));
    return taken.reduce((sum, area) => sum + area.end - area.start, 0) === end - start ? 0n : ENOMEM;
  }

  // ---- Access

  /** Visits the bytes of a range until one cannot be accessed; gives how many were. */
  private visit(
    address: bigint,
    size: number,
    needed: number,
    each: (bytes: Uint8Array, from: number, done: number, count: number) => void,
  ): number {
    if (address >= BigInt(TASK_SIZE)) return 0;
    let done = 0;
    while (done < size) {
      const at = Number(address) + done;
      const linear = at - this.memoryBase;
      if (linear >= 0 && linear < this.memory!.buffer.byteLength) {
        const count = Math.min(size - done, this.memory!.buffer.byteLength - linear);
        each(new Uint8Array(this.memory!.buffer), linear, done, count);
        done += count;
        continue;
      }
      const area = this.areaAt(at);
      if (!area || (area.protection & needed) === 0) return done;
      const page = this.page(floor(at));
      if (!page) return done;
      if (needed === PROT_WRITE) this.pages.set(floor(at), page);
      const count = Math.min(size - done, floor(at) + PAGE - at);
      each(page, at % PAGE, done, count);
      done += count;
    }
    return done;
  }

  private copyIn(pointer: number, address: bigint, size: number): number {
    const to = new Uint8Array(this.memory!.buffer, pointer >>> 0, size);
    // x86 has no pages that can be written or executed and not read.
    return this.visit(
      BigInt.asUintN(64, address),
      size,
      PROT_READ | PROT_WRITE | PROT_EXEC,
      (bytes, from, done, count) => {
        to.set(bytes.subarray(from, from + count), done);
      },
    );
  }

  private copyOut(address: bigint, pointer: number, size: number): number {
    const from = new Uint8Array(this.memory!.buffer, pointer >>> 0, size);
    return this.visit(BigInt.asUintN(64, address), size, PROT_WRITE, (bytes, at, done, count) => {
      bytes.set(from.subarray(done, done + count), at);
    });
  }

  private load(address: bigint, size: number): bigint {
    let value = 0n;
    const got = this.visit(BigInt.asUintN(64, address), size, 7, (bytes, from, done, count) => {
      for (let i = 0; i < count; i++) value |= BigInt(bytes[from + i]!) << BigInt(8 * (done + i));
    });
    if (got !== size) throw new Fault(`load of ${size} bytes at 0x${address.toString(16)}`);
    return value;
  }

  private store(address: bigint, size: number, value: bigint): void {
    const got = this.visit(BigInt.asUintN(64, address), size, PROT_WRITE, (bytes, from, done, count) => {
      for (let i = 0; i < count; i++) bytes[from + i] = Number((value >> BigInt(8 * (done + i))) & 0xffn);
    });
    if (got !== size) throw new Fault(`store of ${size} bytes at 0x${address.toString(16)}`);
  }

  private put(address: bigint, bytes: Uint8Array): void {
    this.visit(address, bytes.length, PROT_WRITE, (to, from, done, count) => {
      to.set(bytes.subarray(done, done + count), from);
    });
  }

  private text(address: bigint): string {
    let out = "";
    for (let at = address; ; at++) {
      const byte = Number(this.load(at, 1));
      if (byte === 0) return out;
      out += String.fromCharCode(byte);
    }
  }

  // ---- Files

  private openFile(path: string): bigint {
    const file = this.files.get(path);
    if (!file) return path === "" ? ENOENT : path.startsWith("/directory") ? EACCES : ENOENT;
    let descriptor = 3;
    while (this.open.has(descriptor)) descriptor++;
    this.open.set(descriptor, file);
    return BigInt(descriptor);
  }

  private pread(descriptor: bigint, address: bigint, size: bigint, offset: bigint): bigint {
    const file = this.open.get(Number(descriptor));
    if (!file) throw new Error(`pread of descriptor ${descriptor}, which is not open`);
    if (offset + size >= 1n << 63n) return EINVAL;
    if (offset >= BigInt(file.length)) return 0n;
    const bytes = file.subarray(Number(offset), Number(offset) + Number(size));
    this.put(address, bytes);
    return BigInt(bytes.length);
  }

  private fstat(descriptor: bigint, address: bigint): bigint {
    const stat = new Uint8Array(144);
    const view = new DataView(stat.buffer);
    view.setUint32(24, 0o100755, true);
    view.setBigUint64(48, BigInt(this.open.get(Number(descriptor))!.length), true);
    this.put(address, stat);
    return 0n;
  }

  private syscall(number: number, a: bigint, b: bigint, c: bigint, d: bigint, e: bigint, f: bigint): bigint {
    switch (number) {
      case 1:
        this.stderr += Buffer.from(
          new Uint8Array(this.memory!.buffer, Number(b) - this.memoryBase, Number(c)),
        ).toString();
        return c;
      case 3:
        if (!this.open.delete(Number(a))) throw new Error(`close of descriptor ${a}, which is not open`);
        return 0n;
      case 5:
        return this.fstat(a, b);
      case 9:
        return this.mmap(a, b, Number(c), d, e, f);
      case 10:
        return this.mprotect(a, b, Number(c));
      case 11:
        return this.munmap(a, b);
      case 17:
        return this.pread(a, b, c, d);
      // personality: no flag is set.
      case 135:
        return 0n;
      case 186:
        return 1n;
      case 193:
        return ENODATA;
      case 228:
        return 0n;
      case 231:
        throw new ExitGroup(`exit status ${a}: ${this.stderr.trim()}`);
      case 257:
        return this.openFile(this.text(b));
      case 318:
        this.store(a, 8, this.random());
        return 8n;
      case 322:
        return ENOSYS;
      case 439:
        return 0n;
    }
    throw new Error(`the address space has no system call ${number}`);
  }

  imports(): Record<string, WebAssembly.ImportValue> {
    const all = (got: number, size: number, address: bigint): void => {
      if (got !== size) throw new Fault(`copy of ${size} bytes at 0x${BigInt.asUintN(64, address).toString(16)}`);
    };
    const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value);
    const syscall = (number: bigint, ...args: bigint[]): bigint =>
      BigInt.asIntN(
        64,
        this.syscall(Number(number), ...(args.map(unsigned) as [bigint, bigint, bigint, bigint, bigint, bigint])),
      );
    return {
      peek8: (address: bigint) => Number(this.load(address, 1)),
      peek16: (address: bigint) => Number(this.load(address, 2)),
      peek32: (address: bigint) => Number(this.load(address, 4)) | 0,
      peek64: (address: bigint) => BigInt.asIntN(64, this.load(address, 8)),
      poke8: (address: bigint, value: number) => this.store(address, 1, BigInt(value >>> 0)),
      poke16: (address: bigint, value: number) => this.store(address, 2, BigInt(value >>> 0)),
      poke32: (address: bigint, value: number) => this.store(address, 4, BigInt(value >>> 0)),
      poke64: (address: bigint, value: bigint) => this.store(address, 8, unsigned(value)),
      copyIn: (pointer: number, address: bigint, size: number) =>
        all(this.copyIn(pointer, address, size), size, address),
      copyOut: (address: bigint, pointer: number, size: number) =>
        all(this.copyOut(address, pointer, size), size, address),
      tryCopyIn: (pointer: number, address: bigint, size: number) => size - this.copyIn(pointer, address, size),
      tryCopyOut: (address: bigint, pointer: number, size: number) => size - this.copyOut(address, pointer, size),
      syscall,
      programSyscall: syscall,
      compareExchange32: () => 0,
      memoryBase: () => BigInt(this.memoryBase),
      writeGsBase: () => {},
      readFsBase: () => 0n,
      cpuid: () => {
        throw new Error("the loader asks for cpuid");
      },
      callHook: () => 0,
      debuggerEvent: () => {},
      pause: () => {},
      fence: () => {},
    };
  }
}
