// Which source line code is from: .debug_line of DWARF 2 to 5, as compilers write it with -g.
//
// A unit's table is a program for a small machine that makes rows of address, file and line (DWARF 5, section 6.2). Of those the
// ones that begin a statement are kept. Until version 5 a table does not say where relative paths start: the unit's entry
// in .debug_info does (dwarf-units.ts). Split DWARF (.dwo) keeps its lines in the object file, and needs nothing else.

import type { ElfFile } from "../elf-file.js";
import { DwarfReader, sectionBytes } from "./dwarf-reader.js";
import { folderOfUnits } from "./dwarf-units.js";
import { resolve } from "node:path";

/** A statement begins at an address. */
export interface LineRow {
  readonly address: number;
  /** Its absolute path, where the compiler was told one. */
  readonly file: string;
  readonly line: number;
}

const DW_LNS_COPY = 1;
const DW_LNS_ADVANCE_PC = 2;
const DW_LNS_ADVANCE_LINE = 3;
const DW_LNS_SET_FILE = 4;
const DW_LNS_NEGATE_STMT = 6;
const DW_LNS_CONST_ADD_PC = 8;
const DW_LNS_FIXED_ADVANCE_PC = 9;
const DW_LNE_END_SEQUENCE = 1;
const DW_LNE_SET_ADDRESS = 2;
const DW_LNE_DEFINE_FILE = 3;
const DW_LNCT_PATH = 1;
const DW_LNCT_DIRECTORY_INDEX = 2;

interface Entry {
  readonly path: string;
  readonly folder: number;
}

interface Header {
  readonly folders: readonly string[];
  readonly files: Entry[];
  readonly version: number;
  readonly minimumLength: number;
  readonly isStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly operandCounts: readonly number[];
}

/** Entries of version 5, whose fields are described in front of them. */
function readEntries(reader: DwarfReader): Entry[] {
  const formats = Array.from({ length: reader.u8() }, () => [reader.uleb(), reader.uleb()] as const);
  return Array.from({ length: reader.uleb() }, () => {
    let [path, folder] = ["", 0];
    for (const [content, form] of formats) {
      const value = reader.form(form);
      if (content === DW_LNCT_PATH && typeof value === "string") path = value;
      if (content === DW_LNCT_DIRECTORY_INDEX && typeof value === "number") folder = value;
    }
    return { path, folder };
  });
}

function readFileEntry(reader: DwarfReader, path: string): Entry {
  const folder = reader.uleb();
  // Time and size.
  reader.uleb();
  reader.uleb();
  return { path, folder };
}

function readHeader(reader: DwarfReader, folderOfUnit: string): Header | null {
  const version = reader.u16();
  if (version < 2 || version > 5) return null;
  reader.version = version;
  if (version >= 5) {
    reader.addressSize = reader.u8();
    reader.u8();
  }
  const size = reader.offset();
  const programStart = reader.at + size;
  const minimumLength = reader.u8();
  if (version >= 4) reader.u8();
  const isStatement = reader.u8() !== 0;
  const [lineBase, lineRange, opcodeBase] = [reader.s8(), reader.u8(), reader.u8()];
  const operandCounts = Array.from({ length: Math.max(0, opcodeBase - 1) }, () => reader.u8());
  const folders: string[] = [];
  const files: Entry[] = [];
  if (version >= 5) {
    folders.push(...readEntries(reader).map(({ path }) => path));
    files.push(...readEntries(reader));
  } else {
    folders.push(folderOfUnit);
    for (let path = reader.text(); path !== ""; path = reader.text()) folders.push(path);
    // Files are counted from 1.
    files.push({ path: "", folder: 0 });
    for (let path = reader.text(); path !== ""; path = reader.text()) files.push(readFileEntry(reader, path));
  }
  reader.at = programStart;
  return { folders, files, version, minimumLength, isStatement, lineBase, lineRange, opcodeBase, operandCounts };
}

/** The absolute path of a file of a table. A relative folder is one in folder 0, where the compiler was started. */
function pathOf({ folders, files }: Header, number: number): string {
  const entry = files[number];
  if (entry === undefined) return "";
  return resolve("/", folders[0] ?? "", folders[entry.folder] ?? "", entry.path);
}

/** Runs a table's program up to `end`. */
function runProgram(reader: DwarfReader, end: number, header: Header, add: (row: LineRow) => void): void {
  const { minimumLength, lineBase, lineRange, opcodeBase, operandCounts, files } = header;
  const paths = new Map<number, string>();
  let [address, file, line, isStatement] = [0, 1, 1, header.isStatement];
  const emit = (): void => {
    if (!isStatement || line === 0) return;
    let path = paths.get(file);
    if (path === undefined) paths.set(file, (path = pathOf(header, file)));
    if (path !== "") add({ address, file: path, line });
  };
  const special = (opcode: number): void => {
    const adjusted = opcode - opcodeBase;
    address += Math.floor(adjusted / lineRange) * minimumLength;
    line += lineBase + (adjusted % lineRange);
  };
  const extended = (): void => {
    const next = reader.uleb() + reader.at;
    switch (reader.u8()) {
      case DW_LNE_END_SEQUENCE:
        [address, file, line, isStatement] = [0, 1, 1, header.isStatement];
        break;
      case DW_LNE_SET_ADDRESS:
        address = reader.address();
        break;
      case DW_LNE_DEFINE_FILE:
        files.push(readFileEntry(reader, reader.text()));
        break;
    }
    reader.at = next;
  };
  while (reader.at < end) {
    const opcode = reader.u8();
    if (opcode >= opcodeBase) {
      special(opcode);
      emit();
      continue;
    }
    switch (opcode) {
      case 0:
        extended();
        break;
      case DW_LNS_COPY:
        emit();
        break;
      case DW_LNS_ADVANCE_PC:
        address += reader.uleb() * minimumLength;
        break;
      case DW_LNS_ADVANCE_LINE:
        line += reader.sleb();
        break;
      case DW_LNS_SET_FILE:
        file = reader.uleb();
        break;
      case DW_LNS_NEGATE_STMT:
        isStatement = !isStatement;
        break;
      case DW_LNS_CONST_ADD_PC:
        address += Math.floor((255 - opcodeBase) / lineRange) * minimumLength;
        break;
      case DW_LNS_FIXED_ADVANCE_PC:
        address += reader.u16();
        break;
      default:
        for (let i = 0; i < (operandCounts[opcode - 1] ?? 0); i++) reader.uleb();
    }
  }
}

/** The statements of a file, in no order; none when it has no line table, or one that is damaged from some place on. */
export function readLineTable(file: ElfFile): LineRow[] {
  const bytes = sectionBytes(file, ".debug_line");
  if (bytes === null) return [];
  const rows: LineRow[] = [];
  const strings = { strings: sectionBytes(file, ".debug_str"), lineStrings: sectionBytes(file, ".debug_line_str") };
  const folders = folderOfUnits(file, strings);
  const reader = new DwarfReader(bytes, strings);
  try {
    while (reader.at < bytes.length) {
      const start = reader.at;
      const end = reader.unitEnd();
      const header = readHeader(reader, folders.get(start) ?? "");
      if (header !== null) runProgram(reader, end, header, (row) => rows.push(row));
      reader.at = end;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return rows;
}
