// Which functions of a hook can run when it is called: what its start did is over by then, and may have allocated memory.

import {
  decodeFunction,
  type FunctionBody,
  type Instruction,
  type Permissions,
} from "../../backend/wasm/function-body.js";
import type { Module } from "../../backend/wasm/module.js";

/** Everything that can be decoded: what is not compiled is refused later, and only where it can run. */
const ANYTHING: Permissions = { floats: "scalar", memoryGrow: "fail" };

export interface Call {
  /** Index of the function that is called. */
  readonly callee: number;
  /** Offset of the call in the module. */
  readonly place: number;
}

export class CallGraph {
  private readonly bodies = new Map<number, FunctionBody>();
  private readonly inTable: readonly number[];

  constructor(readonly module: Module) {
    this.inTable = module.elements.flatMap(({ functions }) => functions.filter((index) => index !== null));
  }

  isImport(index: number): boolean {
    return index < this.module.importedFunctions.length;
  }

  nameOf(index: number): string {
    const imported = this.module.importedFunctions[index];
    if (imported !== undefined) return `${imported.module}.${imported.name}`;
    return this.module.functions[index - this.module.importedFunctions.length]?.name ?? `function[${index}]`;
  }

  bodyOf(index: number): FunctionBody {
    let body = this.bodies.get(index);
    if (body === undefined) {
      const wasm = this.module.functions[index - this.module.importedFunctions.length];
      if (wasm === undefined) throw new RangeError(`function ${index} does not exist`);
      body = decodeFunction(this.module, wasm, ANYTHING);
      this.bodies.set(index, body);
    }
    return body;
  }

  /** What a function calls. Through the table it may call all that is in it. */
  callsOf(index: number): Call[] {
    if (this.isImport(index)) return [];
    return this.bodyOf(index).instructions.flatMap(({ name, index: callee, place }) => {
      if (name === "call") return [{ callee, place }];
      return name === "call_indirect" ? this.inTable.map((entry) => ({ callee: entry, place })) : [];
    });
  }

  /** The functions that can run when these are called, imports among them. */
  reachedFrom(roots: readonly number[]): Set<number> {
    const reached = new Set(roots);
    for (const index of reached) for (const { callee } of this.callsOf(index)) reached.add(callee);
    return reached;
  }

  /** All instructions of these functions. */
  instructionsOf(functions: Iterable<number>): Instruction[] {
    return [...functions].flatMap((index) => (this.isImport(index) ? [] : this.bodyOf(index).instructions));
  }

  /** A function that may call itself, from `roots` on; null when there is none. */
  findRecursion(roots: readonly number[]): number | null {
    const done = new Set<number>();
    const open = new Set<number>();
    const visit = (index: number): number | null => {
      if (open.has(index)) return index;
      if (done.has(index)) return null;
      open.add(index);
      for (const { callee } of this.callsOf(index)) {
        const found = visit(callee);
        if (found !== null) return found;
      }
      open.delete(index);
      done.add(index);
      return null;
    };
    for (const root of roots) {
      const found = visit(root);
      if (found !== null) return found;
    }
    return null;
  }

  /** The most stack that calls of `roots` can take, when none of them is recursive. */
  deepest(roots: readonly number[], frames: ReadonlyMap<number, number>): number {
    const known = new Map<number, number>();
    const depthOf = (index: number): number => {
      const found = known.get(index);
      if (found !== undefined) return found;
      const below = this.callsOf(index).map(({ callee }) => depthOf(callee));
      const depth = (frames.get(index) ?? 0) + Math.max(0, ...below);
      known.set(index, depth);
      return depth;
    };
    return Math.max(0, ...roots.map(depthOf));
  }

  /** Whether a function can grow memory, itself or by what it calls. */
  growsMemory(index: number): boolean {
    return [...this.reachedFrom([index])].some(
      (reached) =>
        !this.isImport(reached) && this.bodyOf(reached).instructions.some(({ name }) => name === "memory.grow"),
    );
  }
}
