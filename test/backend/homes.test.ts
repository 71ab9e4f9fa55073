// Registers that are a local's home, and operands that still read them, or take them over from a local that nobody reads
// any more. A local and its copy may even share one: neither interferes with the other as long as both hold the same value.

import { test } from "node:test";
import { compareRuns } from "./native-run.js";
import { ModuleEncoder, opcode, signed } from "./wasm-encoder.js";

type Step = readonly [name: string, ...immediates: number[]];

const get = (local: number): Step => ["local.get", local];
const set = (local: number): Step => ["local.set", local];
const tee = (local: number): Step => ["local.tee", local];
const constant = (value: number): Step => ["i32.const", ...signed(value)];
const END: Step = ["end"];
const I32 = 0x7f;
const EMPTY = 0x40;

const MEMORY_BYTES = 64;
const calls = [
  { name: "run", args: [3, 1000] },
  { name: "run", args: [0x40000002, 1] },
  { name: "run", args: [-7, 0] },
  { name: "run", args: [0, 12345678] },
];

/** An exported function of two i32 to one, with i32 locals from number 2 on, does as in V8 exactly as it is written. */
function check(steps: readonly Step[], localCount = 2): void {
  const module = new ModuleEncoder();
  module.data.push({ offset: 0, bytes: Array.from({ length: MEMORY_BYTES }, (_, i) => 17 * i + 5) });
  module.functions.push({
    type: { params: ["i32", "i32"], results: ["i32"] },
    locals: Array.from({ length: localCount }, () => "i32" as const),
    code: [...steps, END].flatMap(([name, ...immediates]) => [...opcode(name), ...immediates]),
    exported: "run",
  });
  compareRuns(module.bytes, calls);
}

for (const [how, copy] of [
  ["local.set", [set(0)]],
  ["local.tee", [tee(0), ["drop"]]],
] as readonly (readonly [string, readonly Step[]])[]) {
  test(`the last read of a local whose copy, made by ${how}, is still to be read leaves its register alone`, () => {
    check([get(1), ...copy, get(1), constant(5), ["i32.xor"], get(0), ["i32.add"]]);
  });
}

test("the last read of a copy whose original is read again in the next turn of a loop leaves its register alone", () => {
  check([
    ...[constant(3), set(0), ["loop", EMPTY] as Step],
    ...[get(1), set(2), get(2), constant(1), ["i32.shr_u"] as Step, get(3), ["i32.add"] as Step, set(3)],
    ...[get(0), constant(1), ["i32.sub"] as Step, tee(0), ["br_if", 0] as Step, END, get(3)],
  ]);
});

test("an old value that is still to be read finds a register beside the parts of a scaled sum that replaces it", () => {
  const parts: Step[] = [get(1), constant(3), ["i32.mul"], get(1), constant(5), ["i32.xor"]];
  check([get(0), ...parts, constant(2), ["i32.shl"], ["i32.add"], set(0), get(0), ["i32.sub"]]);
});

test("an old value that is still to be read finds a register beside the address of what replaces it", () => {
  const address: Step[] = [get(1), constant(24), ["i32.and"]];
  const replace: Step[] = [...address, ["i32.load", 2, 0], constant(1), ["i32.add"], set(0)];
  check([get(0), ...replace, get(0), ["i32.sub"], get(1), ["i32.add"]]);
});

for (const operator of ["i32.sub", "i32.mul"]) {
  test(`${operator}: a sum in a register taken over survives the left operand's way into that register`, () => {
    const sum: Step[] = [get(1), constant(255), ["i32.and"], constant(5), ["i32.add"]];
    check([get(0), ...sum, [operator], set(1), get(1), get(0), ["i32.add"]]);
  });
}

for (const [what, steps] of [
  ["a shift", [get(0), ["i32.shr_u"]]],
  ["a multiplication", [constant(3), ["i32.mul"]]],
] as readonly (readonly [string, readonly Step[]])[]) {
  test(`a register taken over is the local's again when ${what} leaves its value there`, () => {
    const sum: Step[] = [get(1), constant(5), ["i32.add"]];
    const taken: Step[] = [get(1), constant(255), ["i32.and"], ...steps, set(1)];
    check([...taken, ...sum, constant(3), ["i32.mul"], get(1), ["i32.add"], get(0), ["i32.add"]]);
  });
}

test("a shifted address wraps around before nothing is added to it", () => {
  check([get(0), constant(2), ["i32.shl"], constant(0), ["i32.add"], ["i32.load", 2, 0]]);
});

test("a sum that decides a branch where control leaves is still there where it stays", () => {
  const sum: Step[] = [get(0), constant(255), ["i32.and"], constant(5), ["i32.add"]];
  const stay: Step[] = [get(1), constant(3), ["i32.mul"], ["i32.add"], tee(2)];
  const after: Step[] = [["if", EMPTY], get(2), get(1), ["i32.add"], set(2), END];
  check([["block", I32], ...sum, get(1), ["br_if", 0], ...stay, END, ...after, get(2), get(0), ["i32.add"]]);
});

/** With so many locals, only three registers are left for operands. */
function checkCrowded(steps: readonly Step[]): void {
  const many = Array.from({ length: 14 }, (_, i) => i + 2);
  const read: Step[] = many.flatMap((local) => [get(local), ["i32.add"]]);
  const write = many.flatMap((local): Step[] => [get(0), constant(local), ["i32.mul"], set(local)]);
  check([...write, ...steps, ...read, ...read, ...read, get(1), ["i32.add"], get(0), ["i32.add"]], many.length);
}

test("a division finds a register for its divisor among three", () => {
  const operands = [3, 5, 7].flatMap((factor): Step[] => [get(0), constant(factor), ["i32.mul"]]);
  const divisor: Step[] = [get(1), constant(7), ["i32.or"]];
  const fold: Step[] = [["i32.xor"], ["i32.sub"]];
  checkCrowded([...operands, constant(7), ["i32.div_u"], ...fold]);
  checkCrowded([...operands, ...divisor, ["i32.rem_u"], ...fold]);
  checkCrowded([...operands, ...divisor, get(1), ["i32.add"], ["i32.rem_s"], ...fold]);
});

test("a value that goes to the default of a table is where it was when the table needs registers", () => {
  const value: Step[] = [get(0), constant(7), ["i32.mul"]];
  const selector: Step[] = [get(1), constant(2), ["i32.xor"]];
  checkCrowded([["block", I32], ...value, ...selector, ["br_table", 1, 0, 0], END]);
});
