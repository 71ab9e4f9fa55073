// Layouts of the kernel's structs, from structs.txt, which says what the types mean.

import { structRows } from "./structs.js";

export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly type: string;
  /** Elements in a row, null for one that is none. */
  readonly count: number | null;
  /** Bytes of a field whose type is a set of constants. */
  readonly setSize: number | null;
  /** Only -v shows it. */
  readonly isVerbose: boolean;
  /** It is not said when it is zero. */
  readonly isOptional: boolean;
}

export interface Layout {
  readonly name: string;
  readonly size: number;
  /** What C calls it; null where headers may be too old to have it. */
  readonly cType: string | null;
  readonly fields: readonly Field[];
}

const FIELD = /^(\??)(\w+)@(\d+):(\w+?)(?:\/(\d))?(?:\[(\d+)\])?$/;

function parseRow(row: string): Layout {
  const [head, body] = row.split("|");
  const [name, size, ...cType] = head!.split(" ");
  let isVerbose = false;
  const fields: Field[] = [];
  for (const word of body!.split(" ")) {
    if (word === "...") {
      isVerbose = true;
      continue;
    }
    const match = FIELD.exec(word);
    if (match === null) throw new Error(`not a field: ${word}`);
    const [, optional, field, offset, type, setSize, count] = match;
    fields.push({
      name: field!,
      offset: Number(offset),
      type: type!,
      count: count === undefined ? null : Number(count),
      setSize: setSize === undefined ? null : Number(setSize),
      isVerbose,
      isOptional: optional === "?",
    });
  }
  return { name: name!, size: Number(size), cType: cType.length === 0 ? null : cType.join(" "), fields };
}

/** By name. */
export const layouts: ReadonlyMap<string, Layout> = new Map(
  structRows
    .trim()
    .split("\n")
    .map(parseRow)
    .map((layout) => [layout.name, layout]),
);
