// `flicker inspect`: what the engine does with a file. dist/engine.wasm, which the launcher is compiled from, maps and
// patches the file in a simulated process (src/engine/inspection.ts); here its answers become one object.
//
// Nothing is decided here. Candidates are found a second time, to list them with their reasons, and every count is
// compared with the engine's own: a difference is a bug and throws.
//
// A live run differs in where things are: position-independent code is mapped at random (here: where the kernel puts it
// without randomisation), and all files of a process share trampoline memory (here each file is alone). So the tactic of a
// site may be another one there; which sites there are does not depend on it.

import { readFileSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { type ElfFile, ElfError } from "./elf-file.js";
import { productsOf } from "./products.js";
import { ExitGroup, Fault, PAGE_SIZE, PROT_EXEC, PROT_READ, SimulatedProcess } from "./simulated-process.js";
import { demangle, loadDemangler, Symbols } from "./symbols.js";

export const TACTICS = ["B1", "B2", "T1", "T2", "T3", "B0"] as const;
export type Tactic = (typeof TACTICS)[number];

/** What the bytes `0f 05` at an address are. */
export type Verdict = "site" | "doubtful" | "interior";

export interface Candidate {
  readonly verdict: Verdict;
  /** As in the file: what objdump and nm print. */
  readonly address: bigint;
  readonly offset: number;
  readonly section: string | null;
  /** Readable name, and how far the candidate is from its start. */
  readonly function: string | null;
  readonly functionOffset: number | null;
  /** Of a site: how it is patched, or null when nothing fitted. */
  readonly tactic: Tactic | null;
  /** Why a candidate is doubtful. */
  readonly reason: string | null;
}

/** A piece of the file that is searched. */
export interface Searched {
  readonly name: string;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
}

export interface Summary {
  readonly candidates: number;
  readonly sites: number;
  readonly patched: number;
  readonly tactics: Readonly<Record<Tactic, number>>;
  readonly unpatched: number;
  readonly doubtful: number;
  readonly interior: number;
  /** Of executable segments, in bytes, and of what is searched of them. */
  readonly executableBytes: number;
  readonly searchedBytes: number;
  readonly trampolines: {
    /** Of sites and evicted instructions. */
    readonly count: number;
    readonly codeBytes: number;
    /** Address space that they lie in. */
    readonly reservedBytes: number;
    readonly pages: number;
  };
  /** Pages of the file that a process has a copy of, since they are patched. */
  readonly copiedPages: number;
  /** Mappings that the process has more than natively: trampolines, and two of an outpost for all code within 1 GiB. */
  readonly addedMappings: number;
}

/** Exports of src/engine/inspection.ts. */
export interface Engine {
  memory: WebAssembly.Memory;
  codeBuffer(): number;
  codeBufferSize(): number;
  recordBuffer(): number;
  describeCode(size: number, address: bigint, offset: bigint, needs: number): number;
  describedSize(): number;
  openFunctions(descriptor: number): number;
  readFunction(index: number): number;
  functionOffset(): bigint;
  functionAddress(): bigint;
  functionSize(): bigint;
  markBlocks(code: number, size: number, marks: number, address: bigint): number;
  inspectFile(descriptor: number): bigint;
  inspectVdso(address: bigint): void;
  inspectedBias(): bigint;
  inspectionRefusal(): number;
  beginMapping(start: bigint, end: bigint, descriptor: number, offset: bigint): void;
  weighCandidate(start: bigint, end: bigint, at: bigint): number;
  doubtOf(): number;
  votesFor(): number;
  votesAgainst(): number;
  findSite(site: bigint): number;
  findVictim(address: bigint): number;
  findTrampoline(address: bigint): number;
  recordAddress(record: number): bigint;
  recordOriginal(record: number): bigint;
  recordSize(record: number): number;
  recordKind(record: number): number;
  recordTactic(record: number): number;
  recordLength(record: number): number;
  recordLocked(record: number): number;
  trapTrampolineOf(site: bigint): bigint;
  codeRangeCount(): number;
  codeRangeStart(index: number): bigint;
  codeRangeEnd(index: number): bigint;
  countSlots(): number;
  outpostsMax(): number;
  outpostAt(index: number): bigint;
  fateCount(fate: number): number;
  interiorSites(): number;
}

/** What the engine knows about a patched instruction: src/engine/patch/record.ts. */
export interface Patch {
  readonly kind: "site" | "evicted" | "stub" | "relay";
  /** The trampoline, in the simulated process. */
  readonly trampoline: bigint;
  readonly size: number;
  /** The instruction, in the simulated process. */
  readonly original: bigint;
  readonly length: number;
  /** Bytes from the instruction on that its jump writes or depends on. */
  readonly locked: number;
}

// src/engine/patch/record.ts, tactics.ts, stats/counters.ts, scan/evidence.ts.
const KINDS = ["", "site", "evicted", "stub", "relay"] as const;
const TACTIC_NAMES = ["B0", "B1", "B2", "T1", "T2", "T3"] as const;
const FATES: readonly Tactic[] = ["B1", "B2", "T1", "T2", "T3", "B0"];
const FATE_UNPATCHED = 6;
const FATE_DOUBTFUL = 7;
const EVIDENCE_CODE = 0;
const EVIDENCE_INTERIOR = 1;
const TRAMPOLINE_SIZE = 65;
const SLOT_SIZE = 65536;
const TRAP = 0x0b0f;
/** How far a short jump and a victim may be from a site. */
const PATCH_SPREAD = 160n;

const PAGE = BigInt(PAGE_SIZE);
/** Where the file's bytes are once more in the simulated process, as they were. Its multiple of pages keeps alignment. */
const PRISTINE = 0x200000000000n;
/** src/engine/patch/mapping.ts */
const NO_FILE = -1;
const VDSO_ADDRESS = 0x7ffff7fc1000n;

/** Why decoding did not settle what a candidate is: DOUBT_* of scan/evidence.ts. */
function reasonOf(doubt: number, votesFor: number, votesAgainst: number): string {
  const votes = votesFor + votesAgainst;
  switch (doubt) {
    case 1:
      return `${votes === 0 ? "none" : `only ${votes}`} of the decodings in front of it come through`;
    case 2:
      return `${votesFor} of ${votes} decodings in front of it come to it, the others step over it`;
    case 3:
      return `no call number is set, and only ${votesFor} of ${votes} plausible decodings come to it`;
    case 4:
      return "no call number is set, and no plausible code leads to it from far";
    case 5:
      return "no call number is set, and what follows is no plausible code";
  }
  throw new Error(`the engine has no doubt ${doubt}`);
}

let compiled: Promise<WebAssembly.Module> | undefined;

function compileEngine(root: string): Promise<WebAssembly.Module> {
  compiled ??= (async () => {
    const { wasm } = productsOf(root);
    let bytes;
    try {
      bytes = readFileSync(wasm);
    } catch (error) {
      throw new ElfError(`${wasm} cannot be read; run npm run build in ${root}`, { cause: error });
    }
    return WebAssembly.compile(bytes);
  })();
  return compiled;
}

/** The engine, with a simulated process for its imports. */
export async function instantiate(root: string, process: SimulatedProcess): Promise<Engine> {
  const module = await compileEngine(root);
  // Addresses of gates: nothing here jumps to one.
  const gate = (): bigint => 0x100000000n;
  const gates = WebAssembly.Module.imports(module)
    .filter(({ module: from }) => from === "gates")
    .map(({ name }) => [name, gate]);
  const imports = { process: process.imports(), gates: Object.fromEntries(gates) as WebAssembly.ModuleImports };
  const engine = (await WebAssembly.instantiate(module, imports)).exports as unknown as Engine;
  process.memory = engine.memory;
  return engine;
}

/** An AssemblyScript string: its size in bytes is in front of it. */
function stringOf({ memory }: Engine, pointer: number): string {
  if (pointer === 0) return "";
  const size = new DataView(memory.buffer).getUint32(pointer - 4, true);
  return Buffer.from(memory.buffer, pointer, size).toString("utf16le");
}

/** A piece of an executable mapping that the engine searched: [start, end) in the process. */
interface Range {
  readonly start: bigint;
  readonly end: bigint;
  readonly offset: number;
  /** The mapping by the file's addresses, and where in the file it starts. */
  readonly mapping: { readonly start: bigint; readonly end: bigint; readonly offset: bigint };
}

export class Inspection {
  readonly symbols: Symbols;
  readonly candidates: readonly Candidate[];
  readonly searched: readonly Searched[];
  readonly summary: Summary;
  /** What is added to the file's addresses in the simulated process. */
  readonly bias: bigint;

  private constructor(
    readonly file: ElfFile,
    readonly process: SimulatedProcess,
    private readonly engine: Engine,
    private readonly descriptor: number,
  ) {
    this.bias = BigInt.asUintN(64, engine.inspectedBias());
    this.symbols = new Symbols(file);
    const ranges = this.searchedRanges();
    process.mapFile(PRISTINE, PROT_READ, file.bytes);
    const mappings = this.countMappings();
    this.candidates = ranges.flatMap((range) => this.candidatesIn(range));
    this.searched = ranges.flatMap((range) => this.name(range));
    this.summary = this.summarise(ranges, mappings);
    this.compareWithEngine();
  }

  /**
   * Has the engine patch a file.
   * @param root folder of the installation
   * @param onProgress gets the part of the executable segments that has been searched, 0 to 1
   * @throws ElfError for a file that the engine does not map
   */
  static async create(root: string, file: ElfFile, onProgress?: (part: number) => void): Promise<Inspection> {
    const process = new SimulatedProcess();
    const engine = await instantiate(root, process);
    if (file.sections.length > 0) await loadDemangler();
    if (onProgress) reportProgress(file, process, engine, onProgress);
    const descriptor = file.kind === "vDSO" ? NO_FILE : process.openFile(file.bytes);
    try {
      if (file.kind === "vDSO") {
        process.map(VDSO_ADDRESS, file.bytes.length, PROT_READ | PROT_EXEC, file.bytes);
        engine.inspectVdso(VDSO_ADDRESS);
      } else {
        const result = Number(engine.inspectFile(descriptor));
        if (result !== 0) {
          const why = stringOf(engine, engine.inspectionRefusal()) || getSystemErrorName(result);
          throw new ElfError(`${file.path}: cannot be mapped: ${why}`);
        }
      }
      return new Inspection(file, process, engine, descriptor);
    } catch (error) {
      if (error instanceof Fault) {
        throw new ElfError(`${file.path}: damaged: its headers lead the loader astray (${error.message})`);
      }
      if (error instanceof ExitGroup) {
        throw new ElfError(`${file.path}: ${process.stderr.trim().replace(/^flicker: /, "")}`, { cause: error });
      }
      throw error;
    }
  }

  /** The executable mappings, cut to what the engine searches of them: findSites in src/engine/patch/executable.ts. */
  private searchedRanges(): Range[] {
    const { engine, file, bias } = this;
    const ranges: Range[] = [];
    for (const { start, end, offset } of executableMappings(file)) {
      for (let i = 0; i < engine.codeRangeCount(); i++) {
        const low = larger(BigInt.asUintN(64, engine.codeRangeStart(i)), offset);
        const high = smaller(BigInt.asUintN(64, engine.codeRangeEnd(i)), offset + (end - start));
        if (low >= high) continue;
        const at = bias + start + (low - offset);
        ranges.push({ start: at, end: at + (high - low), offset: Number(low), mapping: { start, end, offset } });
      }
    }
    return ranges;
  }

  private candidatesIn(range: Range): Candidate[] {
    const { file, engine } = this;
    const found: Candidate[] = [];
    const start = PRISTINE + BigInt(range.offset);
    const end = start + (range.end - range.start);
    const { mapping } = range;
    const pristine = PRISTINE + mapping.offset;
    engine.beginMapping(pristine, pristine + (mapping.end - mapping.start), this.descriptor, mapping.offset);
    const fileEnd = range.offset + Number(range.end - range.start);
    const next = (from: number): number => file.bytes.indexOf("\x0f\x05", from, "latin1");
    for (let offset = next(range.offset); offset >= 0 && offset + 2 <= fileEnd; offset = next(offset + 1)) {
      const evidence = engine.weighCandidate(start, end, PRISTINE + BigInt(offset));
      found.push(this.describe(range.start + BigInt(offset - range.offset), offset, evidence));
    }
    return found;
  }

  private describe(at: bigint, offset: number, evidence: number): Candidate {
    const { engine, symbols } = this;
    const address = at - this.bias;
    const inside = symbols.functionAt(address);
    const isSite = evidence === EVIDENCE_CODE;
    const isInterior = evidence === EVIDENCE_INTERIOR;
    return {
      verdict: isSite ? "site" : isInterior ? "interior" : "doubtful",
      address,
      offset,
      section: symbols.sectionName(address),
      function: inside === null ? null : demangle(inside.symbol),
      functionOffset: inside === null ? null : Number(address - inside.start),
      tactic: isSite ? this.tacticOf(at) : null,
      reason: isSite || isInterior ? null : reasonOf(engine.doubtOf(), engine.votesFor(), engine.votesAgainst()),
    };
  }

  private tacticOf(site: bigint): Tactic | null {
    const record = this.engine.findSite(site);
    if (record !== 0) return TACTIC_NAMES[this.engine.recordTactic(record)] ?? null;
    const bytes = this.process.bytesAt(site, 2);
    return bytes[0]! + 256 * bytes[1]! === TRAP ? "B0" : null;
  }

  private name(range: Range): Searched[] {
    const low = range.start - this.bias;
    const high = range.end - this.bias;
    const sections = this.file.sections
      .filter((section) => section.executable && section.size > 0)
      .filter(({ offset, size }) => offset < range.offset + Number(high - low) && offset + size > range.offset)
      .map(({ name, address, offset, size }) => ({ name, address, offset, size }));
    const isWhole = sections.length === 0 || this.file.kind === "vDSO";
    return isWhole
      ? [{ name: "(whole segment)", address: low, offset: range.offset, size: Number(high - low) }]
      : sections;
  }

  /** Mappings that are there for this file's sake alone. The table of calls is one for the whole process. */
  private countMappings(): number {
    const { file, bias, process } = this;
    const low = bias + file.segments.reduce((least, { address }) => smaller(least, address), file.segments[0]!.address);
    const high = bias + file.segments.reduce((most, s) => larger(most, s.address + s.memorySize), 0n);
    const own = process
      .mappings()
      .filter(({ start, end }) => start !== PRISTINE && (end <= low - (low % PAGE) || start >= high));
    return own.length - 1;
  }

  private summarise(ranges: readonly Range[], addedMappings: number): Summary {
    const { candidates, engine, file, bias, process } = this;
    const count = (verdict: Verdict): number => candidates.filter((candidate) => candidate.verdict === verdict).length;
    const sites = candidates.filter(({ verdict }) => verdict === "site");
    const tactics = Object.fromEntries(
      TACTICS.map((tactic) => [tactic, sites.filter((site) => site.tactic === tactic).length]),
    ) as Record<Tactic, number>;
    const patched = sites.filter(({ tactic }) => tactic !== null).length;
    const executable = executableMappings(file);
    const patches = this.allPatches(sites);
    return {
      candidates: candidates.length,
      sites: sites.length + count("doubtful"),
      patched,
      tactics,
      unpatched: sites.length - patched,
      doubtful: count("doubtful"),
      interior: count("interior"),
      executableBytes: executable.reduce((sum, { start, end }) => sum + Number(end - start), 0),
      searchedBytes: ranges.reduce((sum, { start, end }) => sum + Number(end - start), 0),
      trampolines: {
        count: patches.length,
        codeBytes: patches.reduce((sum, { size }) => sum + size, 0),
        reservedBytes: engine.countSlots() * SLOT_SIZE + this.trapPages(sites) * PAGE_SIZE,
        pages: new Set(patches.flatMap(({ trampoline, size }) => pagesOf(trampoline, size))).size,
      },
      copiedPages: executable.reduce((sum, { start, end }) => sum + process.countWritten(bias + start, bias + end), 0),
      addedMappings,
    };
  }

  private trapPages(sites: readonly Candidate[]): number {
    const count = sites.filter(({ tactic }) => tactic === "B0").length;
    return Math.ceil((count * TRAMPOLINE_SIZE) / PAGE_SIZE);
  }

  /** Every trampoline, stub and evicted instruction of some sites, once. */
  private allPatches(sites: readonly Candidate[]): Patch[] {
    const found = new Map<bigint, Patch>();
    for (const { address, tactic } of sites) {
      const site = address + this.bias;
      const trap = this.trapTrampoline(site);
      if (trap !== null) found.set(trap.trampoline, trap);
      // Only these tactics evict; B2 and T1 leave their neighbours alone.
      const spread = tactic === "T3" ? PATCH_SPREAD : 2n;
      for (const patch of this.patchesIn(site - spread, site + spread + 1n)) found.set(patch.trampoline, patch);
    }
    return [...found.values()].filter(({ kind }) => kind !== "relay");
  }

  private patchOf(record: number): Patch {
    const { engine } = this;
    return {
      kind: KINDS[engine.recordKind(record)] as Patch["kind"],
      trampoline: BigInt.asUintN(64, engine.recordAddress(record)),
      size: engine.recordSize(record),
      original: BigInt.asUintN(64, engine.recordOriginal(record)),
      length: engine.recordLength(record),
      locked: engine.recordLocked(record),
    };
  }

  /** Patched sites and evicted instructions that start in [start, end) of the process. */
  patchesIn(start: bigint, end: bigint): Patch[] {
    const found: Patch[] = [];
    for (let at = start; at < end; at++) {
      for (const record of [this.engine.findSite(at), this.engine.findVictim(at)]) {
        if (record !== 0) found.push(this.patchOf(record));
      }
    }
    return found;
  }

  /** The trampoline or stub that holds an address of the process. */
  trampolineAt(address: bigint): Patch | null {
    const record = this.engine.findTrampoline(address);
    return record === 0 ? null : this.patchOf(record);
  }

  /** The trampoline of a site that is trapped. */
  trapTrampoline(site: bigint): Patch | null {
    const trampoline = BigInt.asUintN(64, this.engine.trapTrampolineOf(site));
    if (trampoline === 0n) return null;
    return { kind: "site", trampoline, size: TRAMPOLINE_SIZE, original: site, length: 2, locked: 2 };
  }

  /** Starts of the engine's outposts: the view of the table of calls, then the jump to the gate. */
  outposts(): bigint[] {
    return Array.from({ length: this.engine.outpostsMax() }, (_, i) =>
      BigInt.asUintN(64, this.engine.outpostAt(i)),
    ).filter((outpost) => outpost !== 0n);
  }

  /**
   * Candidates that a person means: by address (`0x1234`, or as objdump prints it), by function (all of its sites), or by
   * function and offset (`read+0x12`).
   * @throws ElfError when there is none
   */
  find(text: string): Candidate[] {
    const { path } = this.file;
    const [, name = text, plus] = /^(.+)\+(0x[0-9a-f]+|[0-9]+)$/i.exec(text) ?? [];
    const owner = /^0x/i.test(text) ? null : this.symbols.functionNamed(name);
    if (owner !== null && plus === undefined) {
      const inside = this.candidates.filter(
        ({ address, verdict }) => verdict !== "interior" && address >= owner.start && address < owner.end,
      );
      if (inside.length === 0) throw new ElfError(`${path}: ${name} has no system call instruction`);
      return inside;
    }
    const isAddress = /^(0x)?[0-9a-f]{1,16}$/i.test(text);
    if (owner === null && !isAddress) {
      const hint = this.file.hasSymbolTable ? "" : "; its symbol table is stripped, only exported functions have names";
      throw new ElfError(`${path}: no function ${name}${hint}`);
    }
    const address = owner === null ? BigInt(`0x${text.replace(/^0x/i, "")}`) : owner.start + BigInt(plus ?? 0);
    const found = this.candidates.filter((candidate) => candidate.address === address);
    if (found.length > 0) return found;
    const distance = (candidate: Candidate): bigint =>
      candidate.address > address ? candidate.address - address : address - candidate.address;
    const near = this.candidates.filter(({ verdict }) => verdict !== "interior");
    const first = near.reduce<Candidate | null>((best, c) => (best && distance(best) <= distance(c) ? best : c), null);
    const hint = first === null ? "; the file has none" : `; the nearest is at 0x${first.address.toString(16)}`;
    throw new ElfError(`${path}: no system call at 0x${address.toString(16)}${hint}`);
  }

  private compareWithEngine(): void {
    const { engine, summary } = this;
    const ours = [...FATES.map((tactic) => summary.tactics[tactic]), summary.unpatched, summary.doubtful];
    const theirs = [...FATES.keys(), FATE_UNPATCHED, FATE_DOUBTFUL].map((fate) => engine.fateCount(fate));
    if (ours.join() === theirs.join() && summary.interior === engine.interiorSites()) return;
    throw new Error(
      `${this.file.path}: listed ${ours.join()}, interior ${summary.interior}; the engine has ${theirs.join()}, interior ${engine.interiorSites()}`,
    );
  }
}

/** Executable mappings by the file's addresses, as the loader makes them: as far as there are bytes in the file. */
function executableMappings(file: ElfFile): { start: bigint; end: bigint; offset: bigint }[] {
  const fileEnd = BigInt(file.bytes.length) + ((PAGE - (BigInt(file.bytes.length) % PAGE)) % PAGE);
  const mappings = [];
  for (const { address, offset, fileSize, memorySize, executable } of file.segments) {
    if (!executable || fileSize === 0) continue;
    const inPage = address % PAGE;
    if (file.kind === "vDSO") {
      mappings.push({ start: address - inPage, end: address + memorySize, offset: 0n });
      continue;
    }
    const start = BigInt(offset) - inPage;
    const size = inPage + BigInt(fileSize) + ((PAGE - ((inPage + BigInt(fileSize)) % PAGE)) % PAGE);
    mappings.push({ start: address - inPage, end: address - inPage + smaller(size, fileEnd - start), offset: start });
  }
  return mappings;
}

function reportProgress(
  file: ElfFile,
  process: SimulatedProcess,
  engine: Engine,
  onProgress: (part: number) => void,
): void {
  const mappings = executableMappings(file);
  const total = mappings.reduce((sum, { start, end }) => sum + Number(end - start), 0);
  process.onPage = (address) => {
    const at = BigInt(address) - engine.inspectedBias();
    let before = 0;
    for (const { start, end } of mappings) {
      if (at >= start && at < end) return onProgress((before + Number(at - start)) / total);
      before += Number(end - start);
    }
  };
}

function pagesOf(start: bigint, size: number): bigint[] {
  const pages = [];
  for (let page = start / PAGE; page * PAGE < start + BigInt(size); page++) pages.push(page);
  return pages;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
