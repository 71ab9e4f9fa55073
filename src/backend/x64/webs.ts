// Splits locals into webs: one new local for each set of writes and reads that belong together.
//
// AssemblyScript and binaryen reuse a local for values that have nothing to do with each other; as one local they would
// have to share one register, and interfere with everything that any of them meets. A web is found like an SSA name
// whose phis are united with their operands: every place where a local is live at the start of a basic block is a
// node, every write is a node, and what flows into a place is united with it.

import type { FunctionBody, Instruction } from "../wasm/function-body.js";
import { basicBlocks, computeLiveness, members } from "./liveness.js";

/** The same function over more locals; parameters keep their numbers. */
export function splitLocals(body: FunctionBody): FunctionBody {
  const { instructions, localTypes } = body;
  const count = localTypes.length;
  if (count === 0) return body;
  const blocks = basicBlocks(instructions, count);
  computeLiveness(blocks, instructions);

  const parents: number[] = [];
  const localOf: number[] = [];
  const node = (local: number): number => {
    localOf.push(local);
    return parents.push(parents.length) - 1;
  };
  const find = (of: number): number => {
    let root = of;
    while (parents[root] !== root) root = parents[root] as number;
    for (let at = of; at !== root;) {
      const next = parents[at] as number;
      parents[at] = root;
      at = next;
    }
    return root;
  };

  const entries = blocks.map(({ liveIn }) => {
    const nodes = new Map<number, number>();
    for (const local of members(liveIn)) nodes.set(local, node(local));
    return nodes;
  });
  const webs = new Int32Array(instructions.length).fill(-1);
  for (const [i, block] of blocks.entries()) {
    const current = new Map(entries[i]);
    for (let at = block.start; at < block.end; at++) {
      const { name, index } = instructions[at] as Instruction;
      if (name === "local.get") webs[at] = current.get(index) as number;
      else if (name === "local.set" || name === "local.tee") {
        const written = node(index);
        webs[at] = written;
        current.set(index, written);
      }
    }
    for (const successor of block.successors) {
      for (const [local, entry] of entries[successor] as Map<number, number>) {
        parents[find(entry)] = find(current.get(local) as number);
      }
    }
  }

  // Parameters first, whatever they are at the entry; then webs in the order in which they appear.
  const parameters = body.wasm.type.params.length;
  const numbers = new Map<number, number>();
  const types = localTypes.slice(0, parameters);
  for (const [local, entry] of entries[0] as Map<number, number>) {
    if (local < parameters) numbers.set(find(entry), local);
  }
  const renamed = instructions.map((instruction, at): Instruction => {
    const web = webs[at] as number;
    if (web === -1) return instruction;
    const root = find(web);
    let number = numbers.get(root);
    if (number === undefined) {
      number = types.push(localTypes[localOf[root] as number] as (typeof types)[number]) - 1;
      numbers.set(root, number);
    }
    return { ...instruction, index: number };
  });
  return { ...body, instructions: renamed, localTypes: types };
}
