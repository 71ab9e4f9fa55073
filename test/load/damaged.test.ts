// Damaged ELF files into the loader, in Node: it ends, says only errors that execve would give, changes nothing that was
// there before, leaves nothing when it refuses, and what it maps is what the kernel would have mapped (kernel-model.ts).
//
// FLICKER_SEED=n tries one seed, FLICKER_ROUNDS=n that many from it on; 4,000 by default, 100,000 with
// FLICKER_TEST_LONG (`npm run test:long -- test/load/damaged`).

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { Random } from "../backend/random-module.js";
import { AddressSpace, TASK_SIZE } from "./address-space.js";
import { damage } from "./damage.js";
import { encodeElf, ET_DYN, ET_EXEC, PF_R, PF_W, program, type ElfFile } from "./elf-file.js";
import { expect, pageAt, placed, type Image } from "./kernel-model.js";

interface LoaderExports {
  memory: WebAssembly.Memory;
  pathBuffer(): number;
  load(): bigint;
  stage: WebAssembly.Global;
  bias(): bigint;
  base(): bigint;
  start(): bigint;
  headersAddress(): bigint;
  brkStart(): bigint;
  forgetAll(): void;
}

const MEMORY_BASE = 0x7ff000000000;
const MMAP_TOP = 0x7fe000000000;
/** The engine's memory, the stack, the vDSO, something low, and a library in the middle of where programs go. */
const NEIGHBOURS: [number, number][] = [
  [MEMORY_BASE - 0x200000, MEMORY_BASE + 0x4000000],
  [0x7ffffff00000, 0x7ffffffff000],
  [0x7fffff7fe000, 0x7fffff800000],
  [0x20000, 0x21000],
  [0x480000, 0x500000],
];

/** Without the bytes of `syscall`, so that nothing is patched and the image is the file's. */
function withoutSites(file: ElfFile): Uint8Array {
  const bytes = encodeElf(file);
  for (let at = 0; at + 1 < bytes.length; at++)
    if (bytes[at] === 0x0f && bytes[at + 1] === 0x05) bytes.fill(0x90, at, at + 2);
  return bytes;
}
/** bss and data in segments of their own, a hole between them, and text that is writable. */
function withHoles(file: ElfFile): void {
  const base = file.type === ET_DYN ? 0n : 0x400000n;
  file.segments!.push(
    { flags: PF_R | PF_W, offset: 0x2123n, vaddr: base + 0x9123n, filesz: 0x55n, memsz: 0x1055n },
    { flags: PF_R | PF_W, offset: 0n, vaddr: base + 0x20000n, filesz: 0n, memsz: 0x800n },
    { flags: PF_R, offset: 0x1000n, vaddr: base + 0x30000n, filesz: 0x1800n, memsz: 0x2800n },
  );
}

const PATH = "/program";
const INTERPRETERS = ["/interpreter", "/fixed", "/damaged", "/missing", PATH];
const interpreters = {
  "/interpreter": withoutSites(program({ type: ET_DYN })),
  "/fixed": withoutSites(program({ base: 0x10000000n, change: withHoles })),
};
const originals = [
  withoutSites(program()),
  withoutSites(program({ type: ET_DYN })),
  withoutSites(program({ type: ET_DYN, change: withHoles })),
  withoutSites(program({ change: withHoles })),
  ...INTERPRETERS.flatMap((interpreter) =>
    [ET_EXEC, ET_DYN].map((type) => withoutSites(program({ type, interpreter, change: withHoles }))),
  ),
];

class Loader {
  private constructor(
    readonly exports: LoaderExports,
    readonly space: AddressSpace,
  ) {}

  private static compiled: Promise<Uint8Array> | undefined;

  static async create(random: () => bigint): Promise<Loader> {
    const wasm = await (Loader.compiled ??= compileAssemblyScript("test/load/loader.as.ts"));
    const space = new AddressSpace(MEMORY_BASE, NEIGHBOURS, MMAP_TOP, random);
    const module = await WebAssembly.compile(wasm as BufferSource);
    const gates = Object.fromEntries(
      WebAssembly.Module.imports(module)
        .filter((wanted) => wanted.module === "gates")
        .map(({ name }) => [name, () => 0n]),
    );
    const instance = await WebAssembly.instantiate(module, { process: space.imports(), gates });
    const exports = instance.exports as unknown as LoaderExports;
    space.memory = exports.memory;
    return new Loader(exports, space);
  }

  load(path: string): { result: number; stage: number } {
    Buffer.from(this.exports.memory.buffer).write(`${path}\0`, this.exports.pathBuffer(), "latin1");
    const result = Number(this.exports.load());
    return { result, stage: Number(this.exports.stage.value) };
  }
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** The first page of each range and the last, those around them, and all of a short range. */
function interestingPages(ranges: readonly { start: bigint; end: bigint }[]): Set<bigint> {
  const pages = new Set<bigint>();
  for (const { start, end } of ranges) {
    const [first, last] = [start & ~4095n, (end - 1n) & ~4095n];
    for (const page of [first - 4096n, first, first + 4096n, last - 4096n, last, last + 4096n]) pages.add(page);
    if (end - start <= 0x10000n) for (let page = first; page < end; page += 4096n) pages.add(page);
  }
  return pages;
}

function checkBias(image: Image, bias: bigint): void {
  if (image.bias !== null) assert.equal(hex(bias), hex(image.bias), "bias");
  else if (image.alignment < 1n << 40n)
    assert.equal((u64(image.first + bias) & ~4095n) % image.alignment, 0n, "the first segment's alignment");
}

/** Compares what is mapped with the model's images at the loader's addresses. */
function checkImages({ exports, space }: Loader, program: Image, interpreter: Image | null): void {
  const bias = u64(exports.bias());
  checkBias(program, bias);
  assert.equal(hex(u64(exports.headersAddress())), hex(u64(program.headersAddress + bias)), "AT_PHDR");
  assert.equal(hex(u64(exports.brkStart())), hex(u64(program.end + bias)), "the end of bss");
  const base = u64(exports.base());
  const steps = placed(program, bias);
  let startBias = bias;
  if (interpreter) {
    checkBias(interpreter, base);
    steps.push(...placed(interpreter, base));
    startBias = base;
  }
  assert.equal(hex(u64(exports.start())), hex(u64((interpreter ?? program).entry + startBias)), "the entry point");
  assert.ok(u64(exports.start()) < BigInt(TASK_SIZE), "the entry point's range");
  const mapped = space.mapped();
  const ranges = [...steps, ...mapped.map(({ start, end }) => ({ start: BigInt(start), end: BigInt(end) }))];
  for (const page of interestingPages(ranges)) {
    if (page < 0n || space.areaAt(Number(page))?.isNeighbour) continue;
    const wanted = pageAt(steps, page);
    const area = space.areaAt(Number(page));
    assert.equal(area?.protection, wanted?.protection, `protection at ${hex(page)}`);
    if (!wanted) continue;
    const bytes = space.page(Number(page));
    assert.equal(bytes === null, wanted.bytes === null, `SIGBUS at ${hex(page)}`);
    if (bytes && wanted.bytes) assert.ok(Buffer.compare(bytes, wanted.bytes) === 0, `the bytes at ${hex(page)}`);
  }
}

/** One file, or a program that is right with a damaged interpreter. */
function filesOf(seed: number): Map<string, Uint8Array> {
  const random = new Random(seed);
  const files = new Map<string, Uint8Array>(Object.entries(interpreters));
  files.set("/damaged", damage(random.pick(Object.values(interpreters)), random));
  const original = random.pick(originals);
  files.set(PATH, random.chance(85) ? damage(original, random) : original);
  return files;
}

function tryFile(loader: Loader, seed: number): string {
  const { space, exports } = loader;
  space.clear();
  space.files.clear();
  for (const [path, bytes] of filesOf(seed)) space.files.set(path, bytes);
  const { verdict, mayLackRoom } = expect(space.files, PATH, NEIGHBOURS);
  const { result, stage } = loader.load(PATH);
  assert.equal(space.openCount, 0, "descriptors that stay open");
  if (stage === 2) {
    assert.equal(
      verdict.kind,
      "runs",
      `loaded, but the kernel refuses: ${verdict.kind === "error" ? verdict.errno : "killed"}`,
    );
    if (verdict.kind === "runs") checkImages(loader, verdict.program, verdict.interpreter);
  } else {
    assert.deepEqual(space.mapped(), [], "what stays mapped after a refusal");
    if (stage === 0) assert.deepEqual({ kind: "error", errno: -result }, verdict);
    else assert.ok(verdict.kind === "killed" || (verdict.kind === "runs" && mayLackRoom), `refused with ${result}`);
  }
  space.clear();
  exports.forgetAll();
  return stage === 2 ? "runs" : stage === 1 ? "killed" : `errno ${-result}`;
}

const given = process.env["FLICKER_SEED"];
const seed = Number(given ?? 1);
const usual = process.env["FLICKER_TEST_LONG"] ? 100_000 : 4000;
const rounds = Number(process.env["FLICKER_ROUNDS"] ?? (given === undefined ? usual : 1));

test(`${rounds} damaged files`, async () => {
  const random = new Random(seed);
  const randomWord = (): bigint => (BigInt(random.u32()) << 32n) | BigInt(random.u32());
  let loader = await Loader.create(randomWord);
  const counts = new Map<string, number>();
  const failures: string[] = [];
  for (let round = seed; round < seed + rounds && failures.length < 10; round++) {
    try {
      const fate = tryFile(loader, round);
      counts.set(fate, (counts.get(fate) ?? 0) + 1);
    } catch (error) {
      failures.push(
        `FLICKER_SEED=${round}: ${given === undefined ? (error as Error).message : (error as Error).stack}`,
      );
      loader = await Loader.create(randomWord);
    }
  }
  assert.deepEqual(failures, []);
  // A fuzzer that always fails at the first check proves nothing.
  if (rounds >= 1000)
    for (const fate of ["runs", "killed", "errno 8"])
      assert.ok((counts.get(fate) ?? 0) > rounds / 20, `${fate}: ${counts.get(fate)}`);
});
