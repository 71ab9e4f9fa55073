// The decoder and the facts as wasm in Node: compiled from decoder.as.ts, with the engine's imports answered by functions that throw,
// because a decoder needs none of them.

import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";

interface DecoderExports {
  memory: WebAssembly.Memory;
  codePointer(): number;
  codeSize(): number;
  instructionsPointer(): number;
  instructionSize(): number;
  decode(pointer: number, available: number, instruction: number): number;
  decodeRun(start: number, size: number, limit: number): number;
  decodeAll(size: number): number;
  factsPointer(): number;
  describeAt(pointer: number, instruction: number): void;
}

/** Field offsets of `Instruction` in src/engine/x86/instruction.ts. */
export const FIELDS = {
  length: 0,
  encoding: 1,
  map: 2,
  opcode: 3,
  rex: 4,
  flow: 5,
  opcodeOffset: 6,
  modrmOffset: 7,
  modrm: 8,
  sib: 9,
  hasSib: 10,
  dispOffset: 11,
  dispSize: 12,
  immOffset: 13,
  immSize: 14,
  imm2Size: 15,
  ripRelative: 16,
  vvvv: 20,
  rexHigh: 21,
  evex: 22,
  mandatoryPrefix: 23,
} as const;
export type FieldName = keyof typeof FIELDS;
const FIELD_LIST = Object.entries(FIELDS) as [FieldName, number][];
export type Fields = Record<FieldName | "prefixes", number>;
const PREFIXES_OFFSET = 18;

export class DecoderModule {
  readonly memory: Uint8Array;
  readonly view: DataView;
  readonly instructionSize: number;
  readonly code: number;
  readonly codeSize: number;
  readonly instructions: number;
  readonly facts: number;

  private constructor(readonly exports: DecoderExports) {
    this.memory = new Uint8Array(exports.memory.buffer);
    this.view = new DataView(exports.memory.buffer);
    this.instructionSize = exports.instructionSize();
    this.code = exports.codePointer();
    this.codeSize = exports.codeSize();
    this.instructions = exports.instructionsPointer();
    this.facts = exports.factsPointer();
  }

  static async load(): Promise<DecoderModule> {
    const module = new WebAssembly.Module(Buffer.from(await compileAssemblyScript("test/x86/decoder.as.ts")));
    const process: Record<string, () => never> = {};
    for (const { name } of WebAssembly.Module.imports(module)) {
      process[name] = () => {
        throw new Error(`the decoder called ${name}`);
      };
    }
    const instance = await WebAssembly.instantiate(module, { process });
    return new DecoderModule(instance.exports as unknown as DecoderExports);
  }

  /** Decodes one instruction; null when it is invalid.  */
  decode(bytes: Uint8Array): Fields | null {
    this.memory.set(bytes, this.code);
    const length = this.exports.decode(this.code, bytes.length, this.instructions);
    return length === 0 ? null : this.read(0);
  }

  /** The decoded instruction number `index` of the last `decodeRun`. */
  read(index: number): Fields {
    const at = this.instructions + index * this.instructionSize;
    const fields = { prefixes: this.view.getUint16(at + PREFIXES_OFFSET, true) } as Fields;
    for (const [name, offset] of FIELD_LIST) fields[name] = this.memory[at + offset]!;
    return fields;
  }

  /** One field of the decoded instruction number `index`. */
  field(index: number, name: FieldName): number {
    return this.memory[this.instructions + index * this.instructionSize + FIELDS[name]]!;
  }
}
