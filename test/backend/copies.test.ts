// A local and its copy may share a register: neither interferes with the other as long as both hold the same value. What
// overwrites the one must find the other dead.

import { test } from "node:test";
import { compareRuns } from "./native-run.js";
import { ModuleEncoder, opcode } from "./wasm-encoder.js";

type Step = readonly [name: string, ...immediates: number[]];

/** An exported function of two i32 to one, with two locals more, exactly as written. */
function moduleOf(steps: readonly Step[]): Uint8Array {
  const module = new ModuleEncoder();
  module.functions.push({
    type: { params: ["i32", "i32"], results: ["i32"] },
    locals: ["i32", "i32"],
    code: [...steps.flatMap(([name, ...immediates]) => [...opcode(name), ...immediates]), ...opcode("end")],
    exported: "run",
  });
  return module.bytes;
}

const calls = [
  { name: "run", args: [3, 1000] },
  { name: "run", args: [-7, 12345678] },
];

for (const [how, copy] of [
  ["local.set", [["local.set", 0]]],
  ["local.tee", [["local.tee", 0], ["drop"]]],
] as readonly (readonly [string, readonly Step[]])[]) {
  test(`the last read of a local whose copy, made by ${how}, is still to be read leaves its register alone`, () => {
    compareRuns(
      moduleOf([
        ["local.get", 1],
        ...copy,
        ...([["local.get", 1], ["i32.const", 5], ["i32.xor"], ["local.get", 0], ["i32.add"]] as const),
      ]),
      calls,
    );
  });
}

test("the last read of a copy whose original is read again in the next turn of a loop leaves its register alone", () => {
  compareRuns(
    moduleOf([
      ...([
        ["i32.const", 3],
        ["local.set", 0],
        ["loop", 0x40],
      ] as const),
      ...([
        ["local.get", 1],
        ["local.set", 2],
      ] as const),
      ...([["local.get", 2], ["i32.const", 1], ["i32.shr_u"]] as const),
      ...([["local.get", 3], ["i32.add"], ["local.set", 3]] as const),
      ...([["local.get", 0], ["i32.const", 1], ["i32.sub"], ["local.tee", 0], ["br_if", 0]] as const),
      ["end"],
      ["local.get", 3],
    ]),
    calls,
  );
});
