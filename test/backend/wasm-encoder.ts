// Writes the WebAssembly binary format for tests: what binaryen would rewrite on the way (operand stacks across blocks,
// unreachable code, parameters of blocks) arrives at the backend exactly as it was written.

import { operators, type Type } from "../../src/backend/wasm/opcodes.js";

const VALUE_TYPES = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c } as const;
const codes = new Map(operators.map(({ name, code }) => [name, code]));

export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

export function signed(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = (rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0);
    bytes.push(isLast ? byte : byte | 0x80);
    if (isLast) return bytes;
  }
}

const vector = (items: readonly number[][]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (value: string): number[] => [...unsigned(Buffer.byteLength(value)), ...Buffer.from(value)];

/** The opcode of an operator, by name. */
export function opcode(name: string): number[] {
  const code = codes.get(name);
  if (code === undefined) throw new Error(`unknown operator ${name}`);
  return code > 0xff ? [code >> 8, ...unsigned(code & 0xff)] : [code];
}

export interface Signature {
  readonly params: readonly Type[];
  readonly results: readonly Type[];
}

/** A constant of the given bits, with its opcode. */
export function constant(type: Type, bits: bigint): number[] {
  if (type === "i32" || type === "i64")
    return [...opcode(`${type}.const`), ...signed(BigInt.asIntN(type === "i32" ? 32 : 64, bits))];
  const bytes = Array.from({ length: type === "f32" ? 4 : 8 }, (_, i) => Number((bits >> BigInt(8 * i)) & 0xffn));
  return [...opcode(`${type}.const`), ...bytes];
}

export interface FunctionDescription {
  readonly type: Signature;
  readonly locals: readonly Type[];
  /** With its `end`. */
  readonly code: readonly number[];
  readonly exported?: string;
}

export class ModuleEncoder {
  private readonly types: Signature[] = [];
  readonly functions: FunctionDescription[] = [];
  readonly globals: { type: Type; mutable: boolean; value: bigint }[] = [];
  /** Without an offset: passive, for memory.init. */
  readonly data: { offset: number | null; bytes: readonly number[] }[] = [];
  table: readonly number[] = [];
  tableSize = 0;
  pages = 1;

  typeIndex(type: Signature): number {
    const same = (known: Signature): boolean =>
      known.params.join() === type.params.join() && known.results.join() === type.results.join();
    const index = this.types.findIndex(same);
    return index >= 0 ? index : this.types.push(type) - 1;
  }

  get bytes(): Uint8Array {
    const functionTypes = this.functions.map(({ type }) => unsigned(this.typeIndex(type)));
    const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content];
    const exports = [[...text("memory"), 2, 0]];
    for (const [index, { exported }] of this.functions.entries()) {
      if (exported !== undefined) exports.push([...text(exported), 0, ...unsigned(index)]);
    }
    const bodies = this.functions.map(({ locals, code }) => {
      const body = [...vector(locals.map((type) => [1, VALUE_TYPES[type]])), ...code];
      return [...unsigned(body.length), ...body];
    });
    const valueTypes = (types: readonly Type[]): number[] => vector(types.map((type) => [VALUE_TYPES[type]]));
    const types = this.types.map(({ params, results }) => [0x60, ...valueTypes(params), ...valueTypes(results)]);
    const globals = this.globals.map(({ type, mutable, value }) => [
      ...[VALUE_TYPES[type], mutable ? 1 : 0, ...constant(type, value), 0x0b],
    ]);
    const element = [0, 0x41, 0, 0x0b, ...vector(this.table.map(unsigned))];
    const data = this.data.map(({ offset, bytes }) => {
      const mode = offset === null ? [1] : [0, 0x41, ...signed(offset), 0x0b];
      return [...mode, ...unsigned(bytes.length), ...bytes];
    });
    return Uint8Array.from([
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, vector(types)),
      ...section(3, vector(functionTypes)),
      ...section(4, vector([[0x70, 0, ...unsigned(this.tableSize)]])),
      ...section(5, vector([[1, ...unsigned(this.pages), ...unsigned(this.pages)]])),
      ...section(6, vector(globals)),
      ...section(7, vector(exports)),
      ...section(9, vector(this.table.length > 0 ? [element] : [])),
      ...section(12, unsigned(data.length)),
      ...section(10, vector(bodies)),
      ...section(11, vector(data)),
    ]);
  }
}

/** Code of a block type. */
export function blockType(module: ModuleEncoder, type: Signature): number[] {
  if (type.params.length === 0 && type.results.length === 0) return [0x40];
  if (type.params.length === 0 && type.results.length === 1) return [VALUE_TYPES[type.results[0] as Type]];
  return signed(module.typeIndex(type));
}
