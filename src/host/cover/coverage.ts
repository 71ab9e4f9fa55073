// What was executed of which blocks: the images of a run (session.ts) beside the blocks of their files (blocks.ts).

import type { ElfFile } from "../elf-file.js";
import { readElfFile } from "../elf-file.js";
import { Symbols } from "../symbols.js";
import { type Block, BlockFinder } from "./blocks.js";
import type { Module } from "./drcov.js";
import type { ImageFile, ProcessImage } from "./session.js";

/** A file with its blocks, as it is when the program has ended. */
export interface KnownFile {
  readonly file: ElfFile;
  readonly symbols: Symbols;
  /** In order of address. */
  readonly blocks: readonly Block[];
}

export interface CoveredBlock extends Block {
  /** How often it was executed. */
  readonly count: number;
}

/** Sums over the blocks of a file or a function. */
export interface Sums {
  readonly executed: number;
  readonly known: number;
  /** Blocks whose execution nothing can see. */
  readonly unseen: number;
}

/** Files that programs were mapped from, read once each. */
export class KnownFiles {
  private finder: BlockFinder | null = null;
  private readonly files = new Map<string, KnownFile | null>();

  constructor(
    private readonly root: string,
    private readonly onProgress: (path: string, part: number) => void = () => undefined,
  ) {}

  /** Null for a file that cannot be read. */
  async of(path: string): Promise<KnownFile | null> {
    let known = this.files.get(path);
    if (known !== undefined) return known;
    let file: ElfFile | null = null;
    try {
      file = readElfFile(path);
    } catch {
      // It is gone, or something else by now.
    }
    if (file === null) known = null;
    else {
      this.finder ??= await BlockFinder.create(this.root);
      const blocks = this.finder.blocksOf(file, (part) => this.onProgress(path, part));
      known = { file, symbols: new Symbols(file), blocks };
    }
    this.files.set(path, known);
    return known;
  }
}

/** The blocks of a file that were executed. */
export function coveredBlocks({ blocks }: KnownFile, { counts }: ImageFile): CoveredBlock[] {
  return blocks.flatMap((block) => {
    const count = block.site === null ? 0 : (counts.get(block.site) ?? 0);
    return count === 0 ? [] : [{ ...block, count }];
  });
}

/** What the images have executed of each file, all together; a file is where the first of them had it. */
export function mergeImages(images: readonly ProcessImage[]): Map<string, ImageFile> {
  const merged = new Map<string, { bias: bigint; counts: Map<number, number> }>();
  for (const { files } of images) {
    for (const [path, { bias, counts }] of files) {
      const sums = merged.get(path) ?? { bias, counts: new Map<number, number>() };
      merged.set(path, sums);
      for (const [site, count] of counts) sums.counts.set(site, (sums.counts.get(site) ?? 0) + count);
    }
  }
  return merged;
}

/** A file of a run, and what all images together have executed of it. */
export interface CoveredFile {
  readonly path: string;
  readonly known: KnownFile;
  readonly image: ImageFile;
}

/** The files of a run; of those that are gone, the paths. */
export async function coveredFiles(
  images: readonly ProcessImage[],
  known: KnownFiles,
): Promise<{ files: CoveredFile[]; gone: string[] }> {
  const files: CoveredFile[] = [];
  const gone: string[] = [];
  for (const [path, image] of mergeImages(images)) {
    const file = await known.of(path);
    if (file === null) gone.push(path);
    else files.push({ path, known: file, image });
  }
  return { files, gone };
}

const ENTRY = 24;
const PAGE = 4096n;

/** A file's row of drcov's module table, with what was executed of it. */
export function moduleOf(path: string, known: KnownFile, image: ImageFile): Module {
  const { segments, bytes } = known.file;
  const first = segments.reduce((least, { address }) => (address < least ? address : least), segments[0]!.address);
  const end = segments.reduce((most, s) => (s.address + s.memorySize > most ? s.address + s.memorySize : most), 0n);
  return {
    ...{ path, bias: image.bias, start: first - (first % PAGE), end: end + ((PAGE - (end % PAGE)) % PAGE) },
    entry: bytes.readBigUInt64LE(ENTRY),
    blocks: coveredBlocks(known, image),
  };
}

export function sumsOf(blocks: readonly Block[], { counts }: ImageFile): Sums {
  let [executed, unseen] = [0, 0];
  for (const { site } of blocks) {
    if (site === null) unseen++;
    else if (counts.has(site)) executed++;
  }
  return { executed, known: blocks.length, unseen };
}

/** The blocks of each function, by its symbol; null: of no function that has a name. */
export function blocksByFunction({ symbols, blocks }: KnownFile): Map<string | null, Block[]> {
  const functions = new Map<string | null, Block[]>();
  for (const block of blocks) {
    const name = symbols.functionAt(BigInt(block.start))?.symbol ?? null;
    const own = functions.get(name);
    if (own === undefined) functions.set(name, [block]);
    else own.push(block);
  }
  return functions;
}
