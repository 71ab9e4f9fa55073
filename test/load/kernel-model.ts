// What the kernel makes of a file that is executed: load_elf_binary and load_elf_interp of fs/binfmt_elf.c (Linux 6.18)
// and the checks of mmap, written down once more from there and not from src/engine/load. Its result is a list of the
// mappings that it makes, in order; what a page then holds is asked for one page at a time.
//
// The model has no address space. Where the kernel chooses the address, `bias` is null and the loader's is put in.
// Flicker differs in three things (src/engine/load/map.ts, images.ts): it maps nothing over what is there, and no
// interpreter whose addresses wrap around beyond its place, and it does not start a program outside its segments.

import { TASK_SIZE as TASK_SIZE_NUMBER, WRITABLE_MAX } from "./address-space.js";
import { EM_X86_64, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_INTERP, PT_LOAD } from "./elf-file.js";

const TASK_SIZE = BigInt(TASK_SIZE_NUMBER);
const PAGE = 4096n;
const MMAP_MIN = 0x10000n;
const PATH_MAX = 4096n;
/** So much is there in the simulated address space wherever the kernel might look. */
const ROOM = 1n << 40n;

const ENOENT = 2;
const EIO = 5;
const ENOEXEC = 8;
const EACCES = 13;
const EINVAL = 22;
const ELIBBAD = 80;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const floor = (value: bigint): bigint => value & ~(PAGE - 1n);
const ceil = (value: bigint): bigint => u64((value + PAGE - 1n) & ~(PAGE - 1n));

interface Header {
  type: number;
  machine: number;
  magic: number;
  entry: bigint;
  phoff: bigint;
  phentsize: number;
  phnum: number;
}
interface Segment {
  type: number;
  flags: number;
  offset: bigint;
  vaddr: bigint;
  filesz: bigint;
  memsz: bigint;
  align: bigint;
}

/** One step of mapping an image. Addresses are before the bias. */
type Step =
  | { kind: "file"; start: bigint; end: bigint; protection: number; offset: bigint; file: Uint8Array }
  | { kind: "zero"; start: bigint; end: bigint }
  | { kind: "anonymous"; start: bigint; end: bigint; protection: number };

export interface Image {
  /** Null when the kernel chooses. */
  bias: bigint | null;
  /** What the address of the first segment is a multiple of, where it is chosen. */
  alignment: bigint;
  first: bigint;
  steps: Step[];
  headersAddress: bigint;
  end: bigint;
  entry: bigint;
}

export type Verdict =
  { kind: "error"; errno: number } | { kind: "killed" } | { kind: "runs"; program: Image; interpreter: Image | null };
export interface Expectation {
  verdict: Verdict;
  /** There may be no room for it, wherever it is put. */
  mayLackRoom: boolean;
}

class Refused extends Error {
  constructor(readonly verdict: Verdict) {
    super();
  }
}
const error = (errno: number): Refused => new Refused({ kind: "error", errno });
const killed = (): Refused => new Refused({ kind: "killed" });

/** kernel_read: rw_verify_area's checks, then as much as there is. */
function read(file: Uint8Array, offset: bigint, size: number): Uint8Array | number {
  if (offset + BigInt(size) >= 1n << 63n) return EINVAL;
  const bytes = offset >= BigInt(file.length) ? new Uint8Array() : file.subarray(Number(offset), Number(offset) + size);
  return bytes.length === size ? bytes : EIO;
}

function parseHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    magic: view.getUint32(0, false),
    type: view.getUint16(16, true),
    machine: view.getUint16(18, true),
    entry: view.getBigUint64(24, true),
    phoff: view.getBigUint64(32, true),
    phentsize: view.getUint16(54, true),
    phnum: view.getUint16(56, true),
  };
}

/** load_elf_phdrs, or null. */
function readSegments(file: Uint8Array, header: Header): Segment[] | null {
  const size = 56 * header.phnum;
  if (header.phentsize !== 56 || size === 0 || size > 65536) return null;
  const bytes = read(file, header.phoff, size);
  if (typeof bytes === "number") return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: header.phnum }, (_, i) => {
    const quad = (at: number): bigint => view.getBigUint64(56 * i + at, true);
    return {
      ...{ type: view.getUint32(56 * i, true), flags: view.getUint32(56 * i + 4, true) },
      ...{ offset: quad(8), vaddr: quad(16), filesz: quad(32), memsz: quad(40), align: quad(48) },
    };
  });
}

const MAGIC = 0x7f454c46;
const isProgramType = ({ type }: Header): boolean => type === ET_EXEC || type === ET_DYN;

/** elf_load: the steps of one segment. `bias` is null when the kernel chooses. */
function loadSegment(file: Uint8Array, segment: Segment, bias: bigint | null, steps: Step[]): void {
  const { flags, offset, vaddr, filesz, memsz } = segment;
  const protection = (flags & PF_R ? 1 : 0) | (flags & PF_W ? 2 : 0) | (flags & PF_X ? 4 : 0);
  const start = floor(vaddr);
  const inPage = vaddr - start;
  const fit = (from: bigint, to: bigint): void => {
    if (bias === null || from === to) return;
    const at = u64(from + bias);
    if (at < MMAP_MIN || at + (to - from) > TASK_SIZE) throw killed();
  };
  let zeroStart = start;
  if (filesz !== 0n) {
    const end = start + floor(filesz + inPage + PAGE - 1n);
    const from = u64(offset - inPage);
    if (from % PAGE !== 0n || from + (end - start) >= 1n << 63n) throw killed();
    if (protection & 2 && end - start > BigInt(WRITABLE_MAX)) throw killed();
    fit(start, end);
    steps.push({ kind: "file", start, end, protection, offset: from, file });
    zeroStart = vaddr + filesz;
    if (memsz > filesz && zeroStart % PAGE !== 0n && protection & 2) {
      const lastPage = from + (end - start) - PAGE;
      if (lastPage >= BigInt(file.length)) throw killed();
      steps.push({ kind: "zero", start: zeroStart, end });
    }
  }
  if (memsz <= filesz) return;
  const [bssStart, bssEnd] = [floor(zeroStart + PAGE - 1n), floor(vaddr + memsz + PAGE - 1n)];
  if (bssStart === bssEnd) return;
  if (bssEnd - bssStart > BigInt(WRITABLE_MAX)) throw killed();
  fit(bssStart, bssEnd);
  steps.push({ kind: "anonymous", start: bssStart, end: bssEnd, protection: protection & 4 ? 7 : 3 });
}

function totalSize(loads: readonly Segment[]): bigint {
  if (loads.length === 0) return 0n;
  const low = loads.reduce((least, { vaddr }) => (floor(vaddr) < least ? floor(vaddr) : least), floor(loads[0]!.vaddr));
  const high = loads.reduce((most, { vaddr, memsz }) => (u64(vaddr + memsz) > most ? u64(vaddr + memsz) : most), 0n);
  return u64(high - low);
}

/** maximum_alignment */
function alignmentOf(loads: readonly Segment[]): bigint {
  const powers = loads.map(({ align }) => align).filter((align) => align !== 0n && (align & (align - 1n)) === 0n);
  const most = powers.reduce((a, b) => (a > b ? a : b), 0n);
  return most < PAGE ? PAGE : most;
}

/** Whether vaddr and memsz lie in the address space: the checks behind each elf_load. */
function isOutside({ filesz, memsz }: Segment, address: bigint): boolean {
  return address >= TASK_SIZE || filesz > memsz || memsz > TASK_SIZE || TASK_SIZE - memsz < address;
}

function loadProgram(file: Uint8Array, header: Header, segments: readonly Segment[], hasInterpreter: boolean): Image {
  const loads = segments.filter(({ type }) => type === PT_LOAD);
  const first = loads[0];
  let bias: bigint | null = 0n;
  const alignment = alignmentOf(loads);
  if (first && header.type === ET_DYN) {
    if (totalSize(loads) === 0n) throw killed();
    // Rounded down by its alignment the base is 0; without bytes in the file there is no mmap that would choose.
    const isZero = alignment >= 1n << 47n || (!hasInterpreter && first.filesz === 0n);
    bias = isZero ? u64(floor(u64(0n - first.vaddr))) : null;
  }
  const steps: Step[] = [];
  let headersAddress = 0n;
  for (const segment of loads) {
    if (isOutside(segment, segment.vaddr)) throw killed();
    loadSegment(file, segment, bias, steps);
    if (segment.offset <= header.phoff && header.phoff < u64(segment.offset + segment.filesz))
      headersAddress = u64(header.phoff - segment.offset + segment.vaddr);
  }
  const end = loads.reduce((most, { vaddr, memsz }) => (vaddr + memsz > most ? vaddr + memsz : most), 0n);
  return { bias, alignment, first: first?.vaddr ?? 0n, steps, headersAddress, end, entry: header.entry };
}

function loadInterpreter(file: Uint8Array, header: Header, segments: readonly Segment[]): Image {
  if (!isProgramType(header)) throw killed();
  const loads = segments.filter(({ type }) => type === PT_LOAD);
  const total = totalSize(loads);
  if (total === 0n) throw killed();
  const first = loads[0]!;
  let bias: bigint | null = 0n;
  if (header.type === ET_DYN) bias = first.filesz === 0n ? u64(floor(u64(0n - first.vaddr))) : null;
  const low = loads.reduce((least, { vaddr }) => (floor(vaddr) < least ? floor(vaddr) : least), floor(first.vaddr));
  const steps: Step[] = [];
  for (const segment of loads) {
    if (segment.filesz > segment.memsz || segment.memsz > TASK_SIZE) throw killed();
    if (bias !== null && isOutside(segment, u64(bias + segment.vaddr))) throw killed();
    if (segment.vaddr - low + segment.memsz > ceil(total)) throw killed();
    loadSegment(file, segment, bias, steps);
  }
  return { bias, alignment: PAGE, first: first.vaddr, steps, headersAddress: 0n, end: 0n, entry: header.entry };
}

function judge(files: ReadonlyMap<string, Uint8Array>, path: string): Verdict {
  const file = files.get(path);
  if (!file) throw error(ENOENT);
  const head = new Uint8Array(256);
  head.set(file.subarray(0, 256));
  const header = parseHeader(head);
  if (header.magic !== MAGIC || !isProgramType(header) || header.machine !== EM_X86_64) throw error(ENOEXEC);
  const segments = readSegments(file, header);
  if (!segments) throw error(ENOEXEC);

  const interp = segments.find(({ type }) => type === PT_INTERP);
  let interpreter: { file: Uint8Array; header: Header; segments: Segment[] } | null = null;
  if (interp) {
    if (interp.filesz > PATH_MAX || interp.filesz < 2n) throw error(ENOEXEC);
    const name = read(file, interp.offset, Number(interp.filesz));
    if (typeof name === "number") throw error(name);
    if (name[name.length - 1] !== 0) throw error(ENOEXEC);
    const wanted = Buffer.from(name.subarray(0, name.indexOf(0))).toString("latin1");
    if (wanted === "") throw error(EACCES);
    const its = files.get(wanted);
    if (!its) throw error(ENOENT);
    const bytes = read(its, 0n, 64);
    if (typeof bytes === "number") throw error(bytes);
    const itsHeader = parseHeader(bytes);
    if (itsHeader.magic !== MAGIC || itsHeader.machine !== EM_X86_64) throw error(ELIBBAD);
    const itsSegments = readSegments(its, itsHeader);
    if (!itsSegments) throw error(ELIBBAD);
    interpreter = { file: its, header: itsHeader, segments: itsSegments };
  }
  const program = loadProgram(file, header, segments, interpreter !== null);
  const image = interpreter ? loadInterpreter(interpreter.file, interpreter.header, interpreter.segments) : null;
  const starts = image ?? program;
  if (!contains(starts, starts.entry) && !(image && meets(image, program))) throw killed();
  return { kind: "runs", program, interpreter: image };
}

/** Whether an image's steps map the page of an address before the bias. */
function contains({ steps }: Image, address: bigint): boolean {
  return steps.some(({ kind, start, end }) => kind !== "zero" && start <= address && address < end);
}

/** Whether an interpreter starts in the program's memory. Where the kernel chooses an address, it does not. */
function meets(interpreter: Image, program: Image): boolean {
  if (interpreter.bias === null || program.bias === null) return false;
  return contains(program, u64(interpreter.bias + interpreter.entry - program.bias));
}

/** What execve of `path` does. */
export function expect(
  files: ReadonlyMap<string, Uint8Array>,
  path: string,
  neighbours: readonly [start: number, end: number][],
): Expectation {
  try {
    const verdict = judge(files, path);
    if (verdict.kind !== "runs") return { verdict, mayLackRoom: false };
    const images = [verdict.program, ...(verdict.interpreter ? [verdict.interpreter] : [])];
    const overlaps = images.some(({ bias, steps }) => bias !== null && overlap(steps, bias, neighbours));
    if (overlaps) return { verdict: { kind: "killed" }, mayLackRoom: false };
    const mayLackRoom = images.some(
      ({ bias, steps, alignment }) => bias === null && (span(steps) > ROOM || alignment > ROOM),
    );
    return { verdict, mayLackRoom };
  } catch (refused) {
    if (refused instanceof Refused) return { verdict: refused.verdict, mayLackRoom: false };
    throw refused;
  }
}

function overlap(steps: readonly Step[], bias: bigint, neighbours: readonly [number, number][]): boolean {
  return steps.some(({ start, end }) =>
    neighbours.some(([from, to]) => u64(start + bias) < BigInt(to) && BigInt(from) < u64(end + bias)),
  );
}
function span(steps: readonly Step[]): bigint {
  if (steps.length === 0) return 0n;
  const starts = steps.map(({ start }) => start);
  const ends = steps.map(({ end }) => end);
  return ends.reduce((a, b) => (a > b ? a : b)) - starts.reduce((a, b) => (a < b ? a : b));
}

/** Steps with addresses as they are in the process. */
export function placed(image: Image, bias: bigint): Step[] {
  return image.steps.map((step) => ({ ...step, start: u64(step.start + bias), end: u64(step.end + bias) }));
}

export interface Page {
  protection: number;
  /** Null where an access is SIGBUS. */
  bytes: Uint8Array | null;
}

/** What a page holds after all steps, or null when nothing is mapped there. */
export function pageAt(steps: readonly Step[], address: bigint): Page | null {
  let page: Page | null = null;
  for (const step of steps) {
    if (step.end <= address || address + PAGE <= step.start) continue;
    if (step.kind === "file") {
      const bytes = new Uint8Array(4096);
      const offset = step.offset + (address - step.start);
      const isThere = offset < BigInt(step.file.length);
      if (isThere) bytes.set(step.file.subarray(Number(offset), Number(offset) + 4096));
      page = { protection: step.protection, bytes: isThere ? bytes : null };
    } else if (step.kind === "anonymous") page = { protection: step.protection, bytes: new Uint8Array(4096) };
    else {
      const from = step.start > address ? Number(step.start - address) : 0;
      page?.bytes?.fill(0, from);
    }
  }
  return page;
}
