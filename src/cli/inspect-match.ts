// `flicker inspect --match EXPR`: which instructions of files an expression of the matching language means.

import type { Disassembler } from "../host/disassembly.js";
import type { ElfFile } from "../host/elf-file.js";
import { type Matched, Matching } from "../host/matching.js";
import { packageRoot } from "../host/package-root.js";
import { demangle, loadDemangler, type Symbols } from "../host/symbols.js";
import type { CompiledMatch } from "../match/compile.js";
import type { MatchCounts, Style } from "./inspect-report.js";

/** Bytes that stand before the text; longer instructions push it to the right. */
const BYTES_SHOWN = 8;
/** Output is written in pieces of this size. */
const CHUNK = 65536;

/** Writes to standard output, in pieces. */
class Output {
  private held: string[] = [];
  private size = 0;

  write(text: string): void {
    this.held.push(text);
    this.size += text.length;
    if (this.size >= CHUNK) this.flush();
  }
  flush(): void {
    if (this.size > 0) process.stdout.write(this.held.join(""));
    this.held = [];
    this.size = 0;
  }
}

const hex = (value: bigint | number): string => value.toString(16);

function formatMatched(
  { address, bytes }: Matched,
  disassembler: Disassembler,
  symbols: Symbols,
  width: number | undefined,
  style: Style,
): string {
  const listed = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const start = `${hex(address).padStart(10)}  ${listed.padEnd(3 * BYTES_SHOWN - 1)}  `;
  const printed = disassembler.print(bytes, address);
  const place = symbols.nameOf(address);
  const text = (printed?.text ?? "(bad)").padEnd(32);
  const whole = `${start}${text}  # ${place}`;
  if (width === undefined || whole.length <= width) return `${start}${text}  ${style.dim(`# ${place}`)}`;
  return `${whole.slice(0, width - 1)}…`;
}

function jsonOf({ address, offset, bytes }: Matched, disassembler: Disassembler, symbols: Symbols): string {
  const inside = symbols.functionAt(address);
  return JSON.stringify({
    address: `0x${hex(address)}`,
    offset,
    bytes: Buffer.from(bytes).toString("hex"),
    text: disassembler.print(bytes, address)?.text ?? null,
    section: symbols.sectionName(address),
    function: inside === null ? null : demangle(inside.symbol),
    functionOffset: inside === null ? null : Number(address - inside.start),
  });
}

/** What the command's options say about the list. */
export interface MatchListing {
  readonly json: boolean;
  readonly limit: number;
  readonly width: number | undefined;
  readonly style: Style;
  readonly onProgress?: ((part: number) => void) | undefined;
}

/** Lists and counts the matched instructions of one file. */
export async function matchFile(
  file: ElfFile,
  compiled: CompiledMatch,
  { json, limit, width, style, onProgress }: MatchListing,
): Promise<MatchCounts> {
  if (file.sections.length > 0) await loadDemangler();
  const { Disassembler } = await import("../host/disassembly.js");
  const matching = await Matching.create(packageRoot, file, compiled);
  const { symbols } = matching;
  const disassembler = new Disassembler(file, !json);
  const out = new Output();
  let count = 0;
  const list = (matched: Matched): void => {
    if (count++ >= limit) return;
    if (json) out.write((count > 1 ? "," : "") + jsonOf(matched, disassembler, symbols));
    else out.write(formatMatched(matched, disassembler, symbols, width, style) + "\n");
  };
  if (json) out.write(`{"file":${JSON.stringify(file.path)},"match":${JSON.stringify(compiled.text)},"list":[`);
  else out.write(style.bold(file.path) + "\n");
  matching.run(list, onProgress);
  const { instructions } = matching;
  if (json) {
    out.write(`],"instructions":${instructions},"matched":${count}}\n`);
  } else {
    const hidden = Math.max(0, count - limit);
    if (hidden > 0) out.write(`  ${style.dim(`${hidden} more: --all shows them`)}\n`);
    out.write(`  ${count} of ${instructions} instructions\n`);
  }
  out.flush();
  return { path: file.path, instructions, matched: count };
}
