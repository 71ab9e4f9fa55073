// A reader of drcov files that knows nothing of the writer: by the layout that DynamoRIO documents for other tools.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export interface DrcovModule {
  readonly id: number;
  readonly base: bigint;
  readonly end: bigint;
  readonly entry: bigint;
  readonly path: string;
}

export interface DrcovBlock {
  readonly module: number;
  readonly offset: number;
  readonly size: number;
}

export interface Drcov {
  readonly modules: readonly DrcovModule[];
  readonly blocks: readonly DrcovBlock[];
}

export function readDrcov(file: string): Drcov {
  const bytes = readFileSync(file);
  let at = 0;
  const line = (pattern: RegExp): RegExpExecArray => {
    const end = bytes.indexOf(10, at);
    const text = bytes.toString("utf8", at, end);
    at = end + 1;
    return pattern.exec(text) ?? assert.fail(`${pattern.source}: ${text}`);
  };
  line(/^DRCOV VERSION: 2$/);
  line(/^DRCOV FLAVOR: (.*)$/);
  const moduleCount = Number(line(/^Module Table: version 2, count (\d+)$/)[1]);
  line(/^Columns: id, base, end, entry, path$/);
  const modules = Array.from({ length: moduleCount }, () => {
    const [, id, base, end, entry, path] = line(/^ *(\d+), (0x[0-9a-f]+), (0x[0-9a-f]+), (0x[0-9a-f]+), (.*)$/);
    return { id: Number(id), base: BigInt(base!), end: BigInt(end!), entry: BigInt(entry!), path: path! };
  });
  const blockCount = Number(line(/^BB Table: (\d+) bbs$/)[1]);
  assert.equal(bytes.length - at, 8 * blockCount, "the table is as long as it says");
  const blocks = Array.from({ length: blockCount }, (_, i) => ({
    offset: bytes.readUInt32LE(at + 8 * i),
    size: bytes.readUInt16LE(at + 8 * i + 4),
    module: bytes.readUInt16LE(at + 8 * i + 6),
  }));
  for (const [i, { id, base, end, entry }] of modules.entries()) {
    assert.equal(id, i);
    assert.ok(base < end && entry >= base && entry < end);
  }
  for (const { module, offset, size } of blocks) {
    const { base, end } = modules[module] ?? assert.fail(`no module ${module}`);
    assert.ok(size > 0 && BigInt(offset + size) <= end - base);
  }
  return { modules, blocks };
}
