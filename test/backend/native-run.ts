// Runs a wasm module's exports as native code and in V8, with the same arguments in the same order, and compares every
// result, every trap and the whole of linear memory afterwards.
//
// The launcher made here has the calls baked in. Its `_start` makes them one after another and writes one record for
// each, then linear memory, to standard output. A trap (ud2, division error) arrives as a signal; the handler goes back
// to the stack pointer that gs base remembers.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLauncher } from "../../src/backend/build-launcher.js";
import { readModule } from "../../src/backend/wasm/reader.js";
import {
  Assembler,
  eax,
  edi,
  edx,
  mem,
  r10,
  r12,
  r13,
  r14,
  r15,
  r8,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  register,
  rip,
  rsi,
  rsp,
} from "../../src/backend/x64/assembler.js";
import { ENGINE_OPTIONS, type CompileOptions } from "../../src/backend/x64/compile.js";

export interface Call {
  readonly name: string;
  readonly args: readonly (number | bigint)[];
}

/** A number, a bigint, undefined for no result, or "trap". */
export type Outcome = number | bigint | undefined | "trap";

export interface Run {
  readonly outcomes: readonly Outcome[];
  readonly memory: Uint8Array;
}

const RECORD_SIZE = 16;
const CALL_SIZE = 8 + 6 * 8;
const TRAPPED = 2;
/** What callee-saved registers hold during a call, plus the register's number: they must hold it afterwards. */
const CANARY = 0x1234_0000;
const SIGNALS = { SIGILL: 4, SIGFPE: 8, SIGSEGV: 11, SIGBUS: 7, SIGTRAP: 5 };

/** Bytes that are in linear memory before the first call. */
export interface Input {
  readonly pointer: number;
  readonly bytes: Uint8Array;
}

/** read(0, rsi, rdx) until rdx bytes are there. */
function emitReadAll(a: Assembler): void {
  const again = a.label();
  const done = a.label();
  a.bind(again);
  a.test(rdx, rdx);
  a.jcc("e", done);
  a.mov(edi, 0);
  a.mov(eax, 0);
  a.syscall();
  a.test(rax, rax);
  a.jcc("le", done);
  a.add(rsi, rax);
  a.sub(rdx, rax);
  a.jmp(again);
  a.bind(done);
}

function emitDriver(a: Assembler, calls: readonly Call[], memorySize: number, input: Input | null): void {
  a.global("_start");
  if (input !== null) {
    a.lea(rsi, rip("memory", input.pointer));
    a.mov(edx, input.bytes.length);
    emitReadAll(a);
  }
  for (const signal of Object.values(SIGNALS)) {
    // struct kernel_sigaction: handler, flags (SA_NODEFER | SA_RESTORER), restorer, mask.
    a.push(0);
    a.push(0);
    a.push(0x44000000);
    a.lea(rax, rip("trapped"));
    a.push(rax);
    a.lea(rax, rip("restorer"));
    a.mov(mem({ base: rsp, disp: 16 }), rax);
    a.mov(edi, signal);
    a.mov(rsi, rsp);
    a.mov(edx, 0);
    a.mov(r10, 8);
    a.mov(eax, 13);
    a.syscall();
  }
  a.lea(rbx, rip("calls"));
  a.sub(rsp, Math.max(16, calls.length * RECORD_SIZE));
  a.mov(r12, rsp);
  const next = a.label();
  const finish = a.label();
  const record = a.label();
  a.bind(next);
  a.lea(rax, rip("calls end"));
  a.cmp(rbx, rax);
  a.jcc("ae", finish);
  a.push(rbx);
  a.push(r12);
  a.wrgsbase(rsp);
  a.movsxd(rax, mem({ base: rbx }));
  a.lea(rcx, rip("calls"));
  a.add(rax, rcx);
  for (const [i, of] of [rdi, rsi, rdx, rcx, r8, r9].entries()) a.mov(of, mem({ base: rbx, disp: 8 + 8 * i }));
  for (const of of [rbx, rbp, r12, r13, r14, r15]) a.mov(of, CANARY + of.number);
  a.call(rax);
  const broken = a.label();
  for (const of of [rbx, rbp, r12, r13, r14, r15]) {
    a.cmp(of, CANARY + of.number);
    a.jcc("ne", broken);
  }
  a.mov(edx, 1);
  a.bind(record);
  a.pop(r12);
  a.pop(rbx);
  a.mov(mem({ base: r12 }), rdx);
  a.mov(mem({ base: r12, disp: 8 }), rax);
  a.add(r12, RECORD_SIZE);
  a.add(rbx, CALL_SIZE);
  a.jmp(next);
  a.bind(broken);
  a.mov(edx, 3);
  a.jmp(record);
  // A fault of tryCopyIn or tryCopyOut goes on behind the copy, as the engine's handler has it: uc_mcontext.rip.
  a.global("trapped");
  const trap = a.label();
  const savedRip = mem({ base: rdx, disp: 168 });
  a.lea(rax, rip("tryCopyInstruction"));
  a.cmp(savedRip, rax);
  a.jcc("ne", trap);
  a.lea(rax, rip("tryCopyFault"));
  a.mov(savedRip, rax);
  a.ret();
  a.bind(trap);
  a.rdgsbase(rsp);
  a.mov(register(rax.number, 32), edi);
  a.mov(edx, TRAPPED);
  a.jmp(record);
  a.global("restorer");
  a.mov(eax, 15);
  a.syscall();

  a.global("finish");
  a.bind(finish);
  a.mov(rsi, rsp);
  a.mov(edx, calls.length * RECORD_SIZE);
  emitWriteAll(a);
  a.lea(rsi, rip("memory"));
  a.mov(edx, memorySize);
  emitWriteAll(a);
  a.mov(edi, 0);
  a.mov(eax, 231);
  a.syscall();

  a.section("rodata");
  a.align(8);
  a.global("calls");
  for (const { name, args } of calls) {
    a.u32Offset(`engine.${name}`, "calls");
    a.u32(0);
    for (let i = 0; i < 6; i++) {
      const given = args[i] ?? 0;
      // The upper half of an i32 argument may be anything.
      const dirt = typeof given === "number" ? 0xdead_beefn << 32n : 0n;
      a.u64(BigInt.asUintN(typeof given === "number" ? 32 : 64, BigInt(given)) | dirt);
    }
  }
  a.mark("calls end");
  a.section("text");
}

/** write(1, rsi, edx) until all is written; a pipe takes less at a time. */
function emitWriteAll(a: Assembler): void {
  const again = a.label();
  const done = a.label();
  a.bind(again);
  a.test(rdx, rdx);
  a.jcc("e", done);
  a.mov(edi, 1);
  a.mov(eax, 1);
  a.syscall();
  a.test(rax, rax);
  const ok = a.label();
  a.jcc("ns", ok);
  a.ud2();
  a.bind(ok);
  a.add(rsi, rax);
  a.sub(rdx, rax);
  a.jmp(again);
  a.bind(done);
}

/** Everything that the backend can be asked for. */
export const HOOK_OPTIONS: CompileOptions = { floats: "scalar", memoryGrow: "fail", bounds: "check" };

export function runNative(
  wasm: Uint8Array,
  calls: readonly Call[],
  options = ENGINE_OPTIONS,
  input: Input | null = null,
): Run {
  const module = readModule(wasm);
  const memorySize = (module.memories[0]?.initial ?? 0) * 65536;
  const launcher = buildLauncher(wasm, (a) => emitDriver(a, calls, memorySize, input), options);
  const folder = mkdtempSync(join(tmpdir(), "flicker-native-"));
  try {
    const file = join(folder, "launcher");
    writeFileSync(file, launcher, { mode: 0o755 });
    const { stdout, status, signal } = spawnSync(file, [], { maxBuffer: 1 << 28, input: input?.bytes });
    const expected = calls.length * RECORD_SIZE + memorySize;
    assert.equal(signal, null, `the launcher died of ${signal}`);
    assert.equal(status, 0);
    assert.equal(stdout.length, expected);
    const outcomes = calls.map(({ name }, i): Outcome => {
      const index = module.exports.find((entry) => entry.name === name)?.index ?? -1;
      const type = module.functions[index - module.importedFunctions.length]?.type.results[0];
      const recordAt = i * RECORD_SIZE;
      const status = stdout.readUInt32LE(recordAt);
      assert.notEqual(status, 3, `${name} did not preserve a callee-saved register`);
      if (status === TRAPPED) return "trap";
      if (type === undefined) return undefined;
      return type === "i32" ? stdout.readInt32LE(recordAt + 8) : stdout.readBigInt64LE(recordAt + 8);
    });
    return { outcomes, memory: stdout.subarray(calls.length * RECORD_SIZE) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function runV8(wasm: Uint8Array, calls: readonly Call[]): Run {
  const module = new WebAssembly.Module(wasm as BufferSource);
  const imports: Record<string, Record<string, () => never>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = () => assert.fail(`V8 called ${from}.${name}`);
  }
  const instance = new WebAssembly.Instance(module, imports);
  const outcomes = calls.map(({ name, args }): Outcome => {
    try {
      const result: unknown = (instance.exports[name] as (...args: unknown[]) => unknown)(...args);
      return result as Outcome;
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) return "trap";
      throw error;
    }
  });
  const memory = instance.exports["memory"];
  const bytes = memory instanceof WebAssembly.Memory ? new Uint8Array(memory.buffer) : new Uint8Array();
  return { outcomes, memory: bytes };
}

/** Both worlds must agree; the module exports its memory as "memory" when that is to be compared too. */
export function compareRuns(wasm: Uint8Array, calls: readonly Call[], context = "", options = ENGINE_OPTIONS): Run {
  const expected = runV8(wasm, calls);
  const got = runNative(wasm, calls, options);
  for (const [i, call] of calls.entries()) {
    const shown = `${context} ${call.name}(${call.args.map((arg) => `${arg}`).join(", ")})`;
    assert.equal(got.outcomes[i], expected.outcomes[i], shown);
  }
  if (expected.memory.length > 0) {
    const at = expected.memory.findIndex((byte, i) => byte !== got.memory[i]);
    assert.equal(
      at,
      -1,
      `${context} linear memory differs at ${at}: ${got.memory[at]}, expected ${expected.memory[at]}`,
    );
  }
  return got;
}
