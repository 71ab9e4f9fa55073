// Imports that the backend compiles in place: the module "process" (src/engine/process.ts says what each does) and the
// module "gates", whose functions give the address of the symbol of the same name.

import type { FunctionType, ValueType } from "../wasm/module.js";
import type { Type } from "../wasm/opcodes.js";
import { r10, r15, r8, r9, rax, rcx, rdi, rdx, rip, rsi, rsp, type Size } from "./assembler.js";
import type { FunctionCompiler } from "./function.js";
import { absolute, callRoutine, compareExchange, load, store } from "./memory.js";

interface Intrinsic {
  readonly type: FunctionType;
  compile(c: FunctionCompiler): void;
  /** The code calls a routine: caller-saved registers are lost. */
  readonly calls?: boolean;
}

const type = (signature: string): FunctionType => {
  const [params, results] = signature.split("->").map((side) => side.trim().split(" ").filter(Boolean)) as [
    ...[ValueType[], ValueType[]],
  ];
  return { params, results };
};

const peek = (size: Size): Intrinsic => {
  const result: Type = size === 64 ? "i64" : "i32";
  return { type: type(`i64 -> ${result}`), compile: (c) => load(c, result, size, false, absolute, null) };
};
const poke = (size: Size): Intrinsic => ({
  type: type(`i64 ${size === 64 ? "i64" : "i32"} ->`),
  compile: (c) => store(c, size, absolute, null),
});

const process = new Map<string, Intrinsic>(
  Object.entries<Intrinsic>({
    peek8: peek(8),
    peek16: peek(16),
    peek32: peek(32),
    peek64: peek(64),
    poke8: poke(8),
    poke16: poke(16),
    poke32: poke(32),
    poke64: poke(64),
    copyIn: {
      type: type("i32 i64 i32 ->"),
      calls: true,
      compile: (c) => callRoutine(c, "engineCopyIn", [rdi, rsi, rcx], null),
    },
    copyOut: {
      type: type("i64 i32 i32 ->"),
      calls: true,
      compile: (c) => callRoutine(c, "engineCopyOut", [rdi, rsi, rcx], null),
    },
    tryCopyIn: {
      type: type("i32 i64 i32 -> i32"),
      calls: true,
      compile: (c) => callRoutine(c, "engineTryCopyIn", [rdi, rsi, rcx], "i32"),
    },
    tryCopyOut: {
      type: type("i64 i32 i32 -> i32"),
      calls: true,
      compile: (c) => callRoutine(c, "engineTryCopyOut", [rdi, rsi, rcx], "i32"),
    },
    syscall: {
      type: type("i64 i64 i64 i64 i64 i64 i64 -> i64"),
      calls: true,
      compile: (c) => callRoutine(c, "engineSyscall", [rax, rdi, rsi, rdx, r10, r8, r9], "i64"),
    },
    programSyscall: {
      type: type("i64 i64 i64 i64 i64 i64 i64 -> i64"),
      calls: true,
      compile: (c) => callRoutine(c, "engineProgramSyscall", [rax, rdi, rsi, rdx, r10, r8, r9], "i64"),
    },
    compareExchange32: {
      type: type("i64 i32 i32 -> i32"),
      compile: (c) => {
        const desired = c.settle(c.pop());
        const expected = c.settle(c.pop());
        compareExchange(c, "i32", 32, c.pop(), absolute, expected, desired, null);
      },
    },
    memoryBase: {
      type: type("-> i64"),
      compile: (c) => {
        const into = c.allocate();
        c.a.mov(into, r15);
        c.pushRegister("i64", into);
      },
    },
    stackPointer: {
      type: type("-> i64"),
      compile: (c) => {
        const into = c.allocate();
        c.a.mov(into, rsp);
        c.pushRegister("i64", into);
      },
    },
    writeGsBase: {
      type: type("i64 ->"),
      compile: (c) => {
        const base = c.toRegister(c.pop());
        c.a.wrgsbase(base);
        c.done(base);
      },
    },
    readFsBase: {
      type: type("-> i64"),
      compile: (c) => {
        const into = c.allocate();
        c.a.rdfsbase(into);
        c.pushRegister("i64", into);
      },
    },
    cpuid: {
      type: type("i32 i32 i32 ->"),
      calls: true,
      compile: (c) => callRoutine(c, "engineCpuid", [rdi, rsi, rdx], null),
    },
    callHook: {
      type: type("i64 i32 -> i32"),
      calls: true,
      compile: (c) => callRoutine(c, "engineCallHook", [rdx, rdi], "i32"),
    },
    debuggerEvent: {
      type: type("i64 ->"),
      calls: true,
      compile: (c) => callRoutine(c, "engineDebuggerEvent", [rdi], null),
    },
    pause: { type: type("->"), compile: (c) => c.a.pause() },
    fence: { type: type("->"), compile: (c) => c.a.mfence() },
  }),
);

const gate = (name: string): Intrinsic => ({
  type: type("-> i64"),
  compile: (c) => {
    const hint = c.destinationHint();
    const into = c.destination(hint, null);
    c.a.lea(into, rip(name));
    c.result("i64", into, hint);
  },
});

/** How to compile a call of an import, or null when the import is not known. */
export function intrinsic(module: string, name: string): Intrinsic | null {
  if (module === "process") return process.get(name) ?? null;
  return module === "gates" ? gate(name) : null;
}

export const knownImport = (module: string, name: string): FunctionType | null => intrinsic(module, name)?.type ?? null;
