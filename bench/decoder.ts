// How fast the engine's decoder is: as the machine code that our backend makes of it, and as the same wasm in V8.
//
// Both decode the whole text of a program, instruction after instruction, into one `Instruction` that is overwritten.
// The native decoder is a launcher whose `_start` reads the text from standard input, calls `decodeAll` once to warm up
// and once for the clock, and writes the nanoseconds and the number of instructions.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildLauncher } from "../src/backend/build-launcher.js";
import { compileAssemblyScript } from "../src/backend/compile-assemblyscript.js";
import {
  type Assembler,
  eax,
  edi,
  edx,
  mem,
  r12,
  rax,
  rbx,
  rdi,
  rdx,
  rip,
  rsi,
  rsp,
} from "../src/backend/x64/assembler.js";
import { DecoderModule } from "../test/x86/decoder-module.js";
import { codeSections } from "../test/x86/local-binaries.js";
import type { Benchmark, Report, Table } from "./benchmark.js";
import { interleave, timeTable } from "./measure.js";
import { benchFolder, compilerProper } from "./target.js";

const SOURCE = "test/x86/decoder.as.ts";
const TEXTS = ["/lib/x86_64-linux-gnu/libc.so.6", compilerProper()];
/** Times that each side decodes the text in a round; the last one counts, when V8's optimising compiler is done. */
const V8_WARM_UP = 3;

/** `_start` for `decodeAll`. `code` is the offset of its buffer in linear memory. */
function emitDriver(a: Assembler, code: number, codeSize: number): void {
  a.global("_start");
  // Read until the end of the file. r12: bytes so far.
  a.mov(r12, 0);
  const more = a.label();
  const full = a.label();
  a.bind(more);
  a.lea(rsi, rip("memory"));
  a.add(rsi, code);
  a.add(rsi, r12);
  a.mov(rdx, codeSize);
  a.sub(rdx, r12);
  a.mov(edi, 0);
  a.mov(eax, 0);
  a.syscall();
  a.add(r12, rax);
  a.test(rax, rax);
  a.jcc("ne", more);
  a.bind(full);
  a.sub(rsp, 64);
  for (let round = 0; round < 2; round++) {
    emitClock(a, 0);
    a.mov(rdi, r12);
    a.call("engine.decodeAll");
    a.mov(rbx, rax);
    emitClock(a, 16);
  }
  // seconds * 10^9 + nanoseconds, after and before.
  a.mov(mem({ base: rsp, disp: 32 }), rbx);
  a.mov(rsi, rsp);
  a.mov(edx, 40);
  a.mov(edi, 1);
  a.mov(eax, 1);
  a.syscall();
  a.mov(edi, 0);
  a.mov(eax, 231);
  a.syscall();
}

/** clock_gettime(CLOCK_MONOTONIC, rsp + disp) */
function emitClock(a: Assembler, disp: number): void {
  a.lea(rsi, mem({ base: rsp, disp }));
  a.mov(edi, 1);
  a.mov(eax, 228);
  a.syscall();
}

interface Timing {
  readonly nanoseconds: number;
  readonly instructions: number;
}

/** Builds the native decoder and gives a function that runs it once over a text. */
function nativeDecoder(wasm: Uint8Array, module: DecoderModule): (text: Uint8Array) => Timing {
  const launcher = buildLauncher(wasm, (a) => emitDriver(a, module.code, module.codeSize));
  const file = join(benchFolder(), "native-decoder");
  writeFileSync(file, launcher, { mode: 0o755 });
  return (text) => {
    const { stdout, status } = spawnSync(file, [], { input: text });
    if (status !== 0 || stdout.length !== 40) throw new Error(`${file} failed with status ${status}`);
    const clock = (at: number): bigint => stdout.readBigInt64LE(at) * 1_000_000_000n + stdout.readBigInt64LE(at + 8);
    return { nanoseconds: Number(clock(16) - clock(0)), instructions: stdout.readUInt32LE(32) };
  };
}

function v8Decoder(module: DecoderModule): (text: Uint8Array) => Timing {
  return (text) => {
    module.memory.set(text, module.code);
    const start = process.hrtime.bigint();
    const instructions = module.exports.decodeAll(text.length);
    return { nanoseconds: Number(process.hrtime.bigint() - start), instructions };
  };
}

async function run({ rounds }: { rounds: number | null }): Promise<Report> {
  const count = rounds ?? 11;
  const module = await DecoderModule.load();
  const native = nativeDecoder(await compileAssemblyScript(SOURCE), module);
  const v8 = v8Decoder(module);
  const tables: Table[] = [];
  const notes: string[] = [`${count} interleaved rounds; V8 is Node ${process.version}'s`];
  for (const file of TEXTS) {
    const section = codeSections(file).find(({ name }) => name === ".text");
    if (section === undefined) throw new Error(`${file} has no .text`);
    const text = section.bytes.subarray(0, module.codeSize);
    const instructions = v8(text).instructions;
    if (native(text).instructions !== instructions) throw new Error(`${file}: native code and V8 disagree`);
    for (let i = 0; i < V8_WARM_UP; i++) v8(text);
    const each = ({ nanoseconds }: Timing): number => nanoseconds / instructions;
    const results = interleave(
      [
        { name: "V8", measure: () => each(v8(text)) },
        { name: "native", measure: () => each(native(text)) },
      ],
      count,
    );
    const bytesEach = text.length / instructions;
    const table = timeTable("ns an instruction", results);
    tables.push({
      title: `${file}: ${instructions} instructions of ${bytesEach.toFixed(2)} bytes`,
      header: [...table.header, "MB/s"],
      rows: table.rows.map((row, i) => [...row, ((bytesEach / results[i]!.median) * 1e3).toFixed(0)]),
    });
  }
  return { tables, notes };
}

export const decoder: Benchmark = { name: "decoder", description: "the engine's decoder natively and in V8", run };
