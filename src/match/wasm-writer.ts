// The WebAssembly binary format, as far as a matcher needs it: functions () -> i32, one memory, constant globals, data.
// https://webassembly.github.io/spec/core/binary/

const I32 = 0x7f;

/** LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

/** LEB128, signed. */
export function signed(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest < -64n || rest > 63n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest & 0x7fn)];
}

export interface WrittenFunction {
  readonly exported: string | null;
  /** How many locals of type i32. */
  readonly locals: number;
  /** Instructions, without the last `end`. */
  readonly code: readonly number[];
}

export interface WrittenData {
  readonly address: number;
  readonly bytes: Uint8Array;
}

const PAGE_SIZE = 65536;
const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const named = (name: string): number[] => [...unsigned(name.length), ...Buffer.from(name, "latin1")];

/**
 * Writes a module with memory exported as "memory".
 * @param globals constants of type i32 that are exported
 * @param size of memory in use, from 0
 */
export function writeModule(
  functions: readonly WrittenFunction[],
  globals: readonly (readonly [name: string, value: number])[],
  data: readonly WrittenData[],
  size: number,
): Uint8Array<ArrayBuffer> {
  const pages = unsigned(Math.ceil(size / PAGE_SIZE));
  const exports = [
    [...named("memory"), 2, 0],
    ...globals.map(([name], i) => [...named(name), 3, ...unsigned(i)]),
    ...functions.flatMap(({ exported }, i) => (exported === null ? [] : [[...named(exported), 0, ...unsigned(i)]])),
  ];
  const bodies = functions.map(({ locals, code }) => {
    const body = [...(locals === 0 ? [0] : [1, ...unsigned(locals), I32]), ...code, 0x0b];
    return [...unsigned(body.length), ...body];
  });
  const parts = [
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, vector([[0x60, 0, 1, I32]])),
    section(3, vector(functions.map(() => [0]))),
    section(5, vector([[1, ...pages, ...pages]])),
    section(6, vector(globals.map(([, value]) => [I32, 0, 0x41, ...signed(value), 0x0b]))),
    section(7, vector(exports)),
    section(10, vector(bodies)),
    section(
      11,
      vector(
        data.map(({ address, bytes }) => [0, 0x41, ...signed(address), 0x0b, ...unsigned(bytes.length), ...bytes]),
      ),
    ),
  ];
  return Uint8Array.from(parts.flat());
}
