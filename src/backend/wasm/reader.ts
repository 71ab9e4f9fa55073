// The WebAssembly binary format, version 1, into a Module. https://webassembly.github.io/spec/core/binary/modules.html
//
// The reader trusts a module to be valid where V8 or binaryen has accepted it: it checks what it needs in order not to
// misread (lengths, indices, section order is not needed), and does not type-check function bodies.

import type {
  DataSegment,
  ElementSegment,
  Export,
  FunctionType,
  Global,
  Import,
  Memory,
  Module,
  ValueType,
  WasmFunction,
} from "./module.js";

export class WasmError extends Error {}

const VALUE_TYPES: Record<number, ValueType> = {
  ...{ 0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64", 0x7b: "v128", 0x70: "funcref", 0x6f: "externref" },
};
const EXTERNAL_KINDS = ["function", "table", "memory", "global", "tag"] as const;

/** Reads forward through bytes; every read past the end is a WasmError with its offset. */
export class ByteReader {
  private readonly view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public offset = 0,
    readonly end = bytes.length,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.offset >= this.end;
  }

  fail(what: string): never {
    throw new WasmError(`wasm: ${what} at offset 0x${this.offset.toString(16)}`);
  }

  u8(): number {
    if (this.offset >= this.end) this.fail("unexpected end");
    return this.view.getUint8(this.offset++);
  }

  u32(): number {
    const value = this.leb(32, false);
    return Number(value);
  }

  s32(): number {
    return Number(this.leb(32, true));
  }

  s64(): bigint {
    return this.leb(64, true);
  }

  /** Signed LEB128 of 33 bits: a block type. */
  s33(): number {
    return Number(this.leb(33, true));
  }

  private leb(bits: number, signed: boolean): bigint {
    // Almost every number of a module is one byte.
    const first = this.u8();
    if (first < 0x80) return BigInt(signed && (first & 0x40) !== 0 ? first - 0x80 : first);
    let value = BigInt(first & 0x7f);
    let shift = 7n;
    for (;;) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if ((byte & 0x80) === 0) {
        if (signed && (byte & 0x40) !== 0) value -= 1n << shift;
        return value;
      }
      if (shift > BigInt(bits)) this.fail("a LEB128 number is too long");
    }
  }

  take(size: number): Uint8Array {
    if (this.offset + size > this.end) this.fail("unexpected end");
    const bytes = this.bytes.subarray(this.offset, this.offset + size);
    this.offset += size;
    return bytes;
  }

  name(): string {
    return new TextDecoder().decode(this.take(this.u32()));
  }

  /** A reader over the next `size` bytes, which are skipped here. */
  sub(size: number): ByteReader {
    if (this.offset + size > this.end) this.fail("a section or body is longer than the module");
    const reader = new ByteReader(this.bytes, this.offset, this.offset + size);
    this.offset += size;
    return reader;
  }

  vector<T>(item: () => T): T[] {
    const count = this.u32();
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  valueType(): ValueType {
    const type = VALUE_TYPES[this.u8()];
    if (type === undefined) this.fail("unknown value type");
    return type;
  }
}

interface Body {
  locals: ValueType[];
  body: Uint8Array;
  bodyOffset: number;
}

/** @throws WasmError where the bytes are not a module, or use a part of the format that is not read */
export function readModule(bytes: Uint8Array): Module {
  const reader = new ByteReader(bytes);
  if (bytes.length < 8 || Buffer.from(bytes.subarray(0, 8)).toString("hex") !== "0061736d01000000") {
    throw new WasmError("wasm: not a WebAssembly module of version 1");
  }
  reader.offset = 8;

  let types: FunctionType[] = [];
  let imports: Import[] = [];
  let functionTypes: number[] = [];
  let tables: { initial: number; maximum: number | null }[] = [];
  let memories: Memory[] = [];
  let globals: Global[] = [];
  let exports: Export[] = [];
  let start: number | null = null;
  let elements: ElementSegment[] = [];
  let bodies: Body[] = [];
  let data: DataSegment[] = [];
  let names = new Map<number, string>();

  const typeAt = (index: number): FunctionType => {
    const type = types[index];
    if (type === undefined) throw new WasmError(`wasm: type ${index} does not exist`);
    return type;
  };

  while (!reader.atEnd) {
    const id = reader.u8();
    const section = reader.sub(reader.u32());
    if (id === 0) {
      if (section.name() === "name") names = readFunctionNames(section);
    } else if (id === 1) {
      types = section.vector(() => {
        if (section.u8() !== 0x60) section.fail("a type that is not a function type");
        const params = section.vector(() => section.valueType());
        return { params, results: section.vector(() => section.valueType()) };
      });
    } else if (id === 2) imports = section.vector(() => readImport(section, typeAt));
    else if (id === 3) functionTypes = section.vector(() => section.u32());
    else if (id === 4) {
      tables = section.vector(() => {
        section.valueType();
        return readLimits(section);
      });
    } else if (id === 5) memories = section.vector(() => readLimits(section));
    else if (id === 6) {
      globals = section.vector(() => {
        const type = section.valueType();
        const mutable = section.u8() === 1;
        return { type, mutable, initial: readConstant(section, globals) };
      });
    } else if (id === 7) {
      exports = section.vector(() => {
        const name = section.name();
        return { name, kind: externalKind(section), index: section.u32() };
      });
    } else if (id === 8) start = section.u32();
    else if (id === 9) elements = section.vector(() => readElement(section, globals));
    else if (id === 10) bodies = section.vector(() => readBody(section));
    else if (id === 11) data = section.vector(() => readData(section, globals));
    // 12 counts data segments; 13 declares tags, whose users are refused by name.
    else if (id !== 12 && id !== 13) section.fail(`section ${id} is unknown`);
  }

  if (bodies.length !== functionTypes.length) throw new WasmError("wasm: functions and bodies differ in number");
  const importedFunctions = imports.filter((entry) => entry.kind === "function");
  for (const { kind, name, index } of exports) {
    if (kind === "function" && !names.has(index)) names.set(index, name);
  }
  const taken = new Set<string>();
  const functions = bodies.map(({ locals, body, bodyOffset }, i): WasmFunction => {
    const index = importedFunctions.length + i;
    let name = names.get(index) ?? `function[${index}]`;
    if (taken.has(name)) name = `${name}[${index}]`;
    taken.add(name);
    return { name, index, type: typeAt(functionTypes[i] as number), locals, body, bodyOffset };
  });
  return {
    ...{ types, imports, importedFunctions, functions, tables, memories, globals, exports, start, elements, data },
  };
}

function externalKind(reader: ByteReader): Import["kind"] {
  return EXTERNAL_KINDS[reader.u8()] ?? reader.fail("unknown kind of import or export");
}

function readImport(reader: ByteReader, typeAt: (index: number) => FunctionType): Import {
  const module = reader.name();
  const name = reader.name();
  const kind = externalKind(reader);
  let type: FunctionType | null = null;
  if (kind === "function") type = typeAt(reader.u32());
  else if (kind === "table") {
    reader.valueType();
    readLimits(reader);
  } else if (kind === "memory") readLimits(reader);
  else if (kind === "global") {
    reader.valueType();
    reader.u8();
  } else {
    reader.u8();
    typeAt(reader.u32());
  }
  return { module, name, kind, type };
}

function readLimits(reader: ByteReader): Memory {
  const flags = reader.u8();
  if (flags > 3) reader.fail("64-bit memories and tables are not read");
  const initial = reader.u32();
  return { initial, maximum: (flags & 1) !== 0 ? reader.u32() : null, shared: (flags & 2) !== 0 };
}

/** A constant expression: a constant, or a global before it. The bits, unsigned. */
function readConstant(reader: ByteReader, globals: readonly Global[]): bigint {
  const opcode = reader.u8();
  let value: bigint;
  if (opcode === 0x41) value = BigInt.asUintN(32, BigInt(reader.s32()));
  else if (opcode === 0x42) value = BigInt.asUintN(64, reader.s64());
  else if (opcode === 0x43) value = BigInt(new DataView(reader.take(4).slice().buffer).getUint32(0, true));
  else if (opcode === 0x44) value = new DataView(reader.take(8).slice().buffer).getBigUint64(0, true);
  else if (opcode === 0x23)
    value = globals[reader.u32()]?.initial ?? reader.fail("an initialiser uses an imported global");
  else reader.fail(`an initialiser with opcode 0x${opcode.toString(16)} is not constant`);
  if (reader.u8() !== 0x0b) reader.fail("an initialiser has more than one instruction");
  return value;
}

function readElement(reader: ByteReader, globals: readonly Global[]): ElementSegment {
  const flags = reader.u32();
  const mode = (flags & 1) === 0 ? "active" : (flags & 2) === 0 ? "passive" : "declarative";
  if (mode === "active" && (flags & 2) !== 0 && reader.u32() !== 0) reader.fail("a second table");
  const offset = mode === "active" ? Number(readConstant(reader, globals)) : 0;
  if ((flags & 3) !== 0) reader.u8(); // element kind or reference type
  const functions = reader.vector((): number | null => {
    if ((flags & 4) === 0) return reader.u32();
    const opcode = reader.u8();
    const index = opcode === 0xd2 ? reader.u32() : null;
    if (opcode === 0xd0) reader.u8();
    else if (opcode !== 0xd2) reader.fail("an element that is not a function");
    if (reader.u8() !== 0x0b) reader.fail("an element has more than one instruction");
    return index;
  });
  return { mode, offset, functions };
}

function readBody(section: ByteReader): Body {
  const reader = section.sub(section.u32());
  const locals: ValueType[] = [];
  for (let groups = reader.u32(); groups > 0; groups--) {
    const count = reader.u32();
    const type = reader.valueType();
    if (locals.length + count > 50_000) reader.fail("more than 50,000 locals");
    for (let i = 0; i < count; i++) locals.push(type);
  }
  const bodyOffset = reader.offset;
  return { locals, body: reader.take(reader.end - reader.offset), bodyOffset };
}

function readData(reader: ByteReader, globals: readonly Global[]): DataSegment {
  const flags = reader.u32();
  if (flags === 2 && reader.u32() !== 0) reader.fail("a second memory");
  const offset = flags === 1 ? 0 : Number(readConstant(reader, globals));
  return { mode: flags === 1 ? "passive" : "active", offset, bytes: reader.take(reader.u32()) };
}

/** Subsection 1 of the name section. */
function readFunctionNames(section: ByteReader): Map<number, string> {
  const names = new Map<number, string>();
  while (!section.atEnd) {
    const id = section.u8();
    const subsection = section.sub(section.u32());
    if (id !== 1) continue;
    for (let count = subsection.u32(); count > 0; count--) names.set(subsection.u32(), subsection.name());
  }
  return names;
}
