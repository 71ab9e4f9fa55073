// The instructions of one function, decoded into a flat list with its control structure resolved.
//
// Branches name the instruction they leave (`target`: index of a block, loop or if; -1 is the function), so that later
// passes never count depths. Code that cannot be reached (after br, return, unreachable, br_table, and after a block
// that nobody leaves) is dropped here: the list that remains is type-correct without polymorphic stacks, and every
// instruction but `else` and `end` is reachable.

import { functionTypeOf, type FunctionType, type Module, type ValueType, type WasmFunction } from "./module.js";
import { describeUnknown, isFloat, operatorOf, type Operator } from "./opcodes.js";
import { ByteReader, WasmError } from "./reader.js";

export interface Instruction {
  readonly operator: Operator;
  readonly name: string;
  /** Offset of the opcode in the module. */
  readonly place: number;
  /** Local, global, function, type or segment; for constants of type i32, the value, unsigned. */
  index: number;
  /** i64.const: the value, unsigned. f32.const, f64.const: its bits. */
  value: bigint;
  /** Constant offset of a memory access. */
  offset: number;
  /** br, br_if: the instruction that opens the construct they leave or repeat; -1 is the function. */
  target: number;
  /** br_table: the targets, the default last. */
  targets: readonly number[];
  /** block, loop, if: their type. call, call_indirect: the callee's. */
  type: FunctionType | null;
  /** block, loop, if, else: index of the matching end. end: index of the opener, -1 for the function's. */
  partner: number;
  /** if: index of its else, or -1. else: index of its if. */
  elseAt: number;
  /** block, loop, if: whether a branch goes to it. end: whether it falls through from above. */
  branched: boolean;
  reachable: boolean;
}

export interface FunctionBody {
  readonly wasm: WasmFunction;
  readonly instructions: readonly Instruction[];
  /** Parameters, then locals. */
  readonly localTypes: readonly ValueType[];
  readonly isLeaf: boolean;
}

interface Frame {
  opener: number;
  kind: "function" | "block" | "loop" | "if" | "else";
  branched: boolean;
  /** The end of the first arm of an if was reachable. */
  thenReachable: boolean;
}

/** What a module may contain beyond integers and fixed memory. */
export interface Permissions {
  /** Floating point is refused, or compiled (docs/backend.md). */
  readonly floats: "refuse" | "scalar";
  /** memory.grow is refused, or always fails, as it may in any WebAssembly. */
  readonly memoryGrow: "refuse" | "fail";
}

/** @throws WasmError that names the function and the offset, for an instruction that the backend does not compile */
export function decodeFunction(module: Module, wasm: WasmFunction, permissions: Permissions): FunctionBody {
  const reader = new ByteReader(wasm.body);
  const instructions: Instruction[] = [];
  const frames: Frame[] = [{ opener: -1, kind: "function", branched: false, thenReachable: false }];
  let reachable = true;
  /** How many constructs are open inside code that is being dropped. */
  let dropped = 0;
  let isLeaf = true;

  const frameAt = (depth: number): Frame => {
    const frame = frames[frames.length - 1 - depth];
    if (frame === undefined) throw new WasmError(`wasm: ${wasm.name}: a branch leaves ${depth} constructs`);
    return frame;
  };
  const branchTo = (depth: number): number => {
    const frame = frameAt(depth);
    frame.branched = true;
    return frame.opener;
  };

  while (frames.length > 0) {
    const instruction = readInstruction(module, wasm, reader, permissions);
    const { name } = instruction;
    if (!reachable && dropped > 0) {
      if (name === "block" || name === "loop" || name === "if") dropped++;
      else if (name === "end") dropped--;
      continue;
    }
    if (!reachable && name !== "else" && name !== "end") {
      if (name === "block" || name === "loop" || name === "if") dropped++;
      continue;
    }
    const at = instructions.length;
    instructions.push(instruction);
    switch (name) {
      case "block":
      case "loop":
      case "if":
        frames.push({ opener: at, kind: name, branched: false, thenReachable: false });
        break;
      case "else": {
        const frame = frameAt(0);
        const opener = instructions[frame.opener] as Instruction;
        opener.elseAt = at;
        instruction.elseAt = frame.opener;
        instruction.reachable = reachable;
        frame.thenReachable = reachable;
        frame.kind = "else";
        reachable = true;
        break;
      }
      case "end": {
        const frame = frames.pop() as Frame;
        instruction.partner = frame.opener;
        instruction.reachable = reachable;
        const opener = instructions[frame.opener];
        if (opener !== undefined) {
          opener.partner = at;
          opener.branched = frame.branched;
          if (opener.elseAt !== -1) (instructions[opener.elseAt] as Instruction).partner = at;
        }
        if (frame.kind === "loop") break;
        if (frame.branched || frame.thenReachable || frame.kind === "if") reachable = true;
        instruction.branched = frame.branched;
        break;
      }
      case "br":
        instruction.target = branchTo(instruction.index);
        reachable = false;
        break;
      case "br_if":
        instruction.target = branchTo(instruction.index);
        break;
      case "br_table":
        instruction.targets = instruction.targets.map(branchTo);
        reachable = false;
        break;
      case "return":
      case "unreachable":
        reachable = false;
        break;
      case "call":
      case "call_indirect":
        isLeaf = false;
        break;
      default:
    }
  }
  if (!reader.atEnd) throw new WasmError(`wasm: ${wasm.name}: bytes after the end of the function`);
  return { wasm, instructions, localTypes: [...wasm.type.params, ...wasm.locals], isLeaf };
}

const EMPTY: readonly number[] = [];

function readInstruction(
  module: Module,
  wasm: WasmFunction,
  reader: ByteReader,
  permissions: Permissions,
): Instruction {
  const start = wasm.bodyOffset + reader.offset;
  let code = reader.u8();
  if (code >= 0xfc && code <= 0xfe) code = (code << 8) | reader.u32();
  const operator = operatorOf(code);
  const refuse = (why: string): never => {
    throw new WasmError(`wasm: function ${wasm.name}, offset 0x${start.toString(16)}: ${why}`);
  };
  if (operator === null) return refuse(describeUnknown(code));
  if (permissions.floats === "refuse" && isFloat(operator)) refuse(`${operator.name}: floating point is not compiled`);
  if (permissions.memoryGrow === "refuse" && operator.name === "memory.grow") {
    refuse("memory.grow: linear memory is fixed; something allocates (a new, an array literal, a string)");
  }
  const instruction: Instruction = {
    ...{
      operator,
      name: operator.name,
      place: start,
      index: 0,
      value: 0n,
      offset: 0,
      target: -1,
      targets: EMPTY,
      type: null,
    },
    ...{ partner: -1, elseAt: -1, branched: false, reachable: true },
  };
  switch (operator.immediate) {
    case "none":
      break;
    case "block":
      instruction.type = readBlockType(module, reader);
      break;
    case "labels":
      instruction.targets = [...reader.vector(() => reader.u32()), reader.u32()];
      break;
    case "function":
      instruction.index = reader.u32();
      instruction.type = functionTypeOf(module, instruction.index);
      break;
    case "indirect":
      instruction.index = reader.u32();
      instruction.type = module.types[instruction.index] ?? reader.fail("unknown type of an indirect call");
      if (reader.u32() !== 0) refuse("a second table");
      break;
    case "memory":
      if ((reader.u32() & 0x40) !== 0) refuse("a second memory");
      instruction.offset = reader.u32();
      break;
    case "i32":
      instruction.index = reader.s32() >>> 0;
      break;
    case "i64":
      instruction.value = BigInt.asUintN(64, reader.s64());
      break;
    case "f32":
      instruction.value = BigInt(new DataView(reader.take(4).slice().buffer).getUint32(0, true));
      break;
    case "f64":
      instruction.value = new DataView(reader.take(8).slice().buffer).getBigUint64(0, true);
      break;
    case "zero":
      if (reader.u8() !== 0) refuse("a second memory");
      break;
    case "zeros":
      if (reader.u8() + reader.u8() !== 0) refuse("a second memory");
      break;
    case "data":
      instruction.index = reader.u32();
      if (reader.u8() !== 0) refuse("a second memory");
      break;
    case "types":
      reader.vector(() => reader.valueType());
      break;
    default:
      instruction.index = reader.u32(); // label, local, global, segment
  }
  return instruction;
}

function readBlockType(module: Module, reader: ByteReader): FunctionType {
  const first = reader.bytes[reader.offset] as number;
  if (first === 0x40) {
    reader.offset++;
    return { params: [], results: [] };
  }
  if (first >= 0x6f && first <= 0x7f) return { params: [], results: [reader.valueType()] };
  return module.types[reader.s33()] ?? reader.fail("unknown block type");
}
