// Where an instruction of a compiled hook comes from: the source map that the AssemblyScript compiler writes beside a module.
// Its "columns" are offsets in the wasm file. https://tc39.es/ecma426/

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

interface Segment {
  readonly offset: number;
  readonly source: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export class SourceMap {
  private constructor(private readonly segments: readonly Segment[]) {}

  static parse(json: string): SourceMap {
    const { sources, mappings } = JSON.parse(json) as { sources: string[]; mappings: string };
    const segments: Segment[] = [];
    let [offset, source, line, column] = [0, 0, 0, 0];
    for (const text of mappings.split(",")) {
      const fields = decodeNumbers(text);
      offset += fields[0] ?? 0;
      if (fields.length < 4) continue;
      source += fields[1] as number;
      line += fields[2] as number;
      column += fields[3] as number;
      segments.push({ offset, source: sources[source] as string, line: line + 1, column: column + 1 });
    }
    return new SourceMap(segments);
  }

  /** `file.ts:12:3` for the instruction at an offset of the module, or null. */
  placeOf(offset: number): string | null {
    return show(this.segments.findLast((segment) => segment.offset <= offset));
  }

  /** The same, but where the instruction is a library's that was inlined, the user's code in front of it. */
  userPlaceOf(offset: number): string | null {
    return show(this.segments.findLast((segment) => segment.offset <= offset && !segment.source.startsWith("~lib/")));
  }
}

const show = (found: Segment | undefined): string | null =>
  found === undefined ? null : `${found.source}:${found.line}:${found.column}`;

/** Base64 VLQ: five bits a digit, low first, the sign in the lowest bit of all. */
function decodeNumbers(text: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of text) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if ((digit & 32) !== 0) continue;
    numbers.push((value & 1) !== 0 ? -(value >>> 1) : value >>> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
