// Where the compiler was started, for each line table: DW_AT_comp_dir of the unit in .debug_info that the table belongs to. Only the
// first entry of each unit is read (DWARF 5, sections 7.5.1 to 7.5.3).

import type { ElfFile } from "../elf-file.js";
import { DwarfReader, type Strings, sectionBytes } from "./dwarf-reader.js";

const DW_AT_STMT_LIST = 0x10;
const DW_AT_COMP_DIR = 0x1b;
const DW_FORM_IMPLICIT_CONST = 0x21;
const DW_UT_SKELETON = 4;
const DW_UT_SPLIT_COMPILE = 5;
const DW_UT_TYPE = 2;
const DW_UT_SPLIT_TYPE = 6;

/** Attributes and forms of the abbreviation with a number, in the table at an offset; null when there is none. */
function attributesOf(
  abbreviations: Buffer,
  strings: Strings,
  offset: number,
  number: number,
): [number, number][] | null {
  const reader = new DwarfReader(abbreviations, strings);
  reader.at = offset;
  for (let code = reader.uleb(); code !== 0; code = reader.uleb()) {
    // Tag, and whether it has children.
    reader.uleb();
    reader.u8();
    const attributes: [number, number][] = [];
    for (;;) {
      const [name, form] = [reader.uleb(), reader.uleb()];
      if (name === 0 && form === 0) break;
      if (form === DW_FORM_IMPLICIT_CONST) reader.sleb();
      attributes.push([name, form]);
    }
    if (code === number) return attributes;
  }
  return null;
}

/** Reads a unit's header; gives the offset of its abbreviations. */
function readUnitHeader(reader: DwarfReader): number {
  reader.version = reader.u16();
  if (reader.version < 5) {
    const abbreviations = reader.offset();
    reader.addressSize = reader.u8();
    return abbreviations;
  }
  const type = reader.u8();
  reader.addressSize = reader.u8();
  const abbreviations = reader.offset();
  if (type === DW_UT_SKELETON || type === DW_UT_SPLIT_COMPILE) reader.at += 8;
  if (type === DW_UT_TYPE || type === DW_UT_SPLIT_TYPE) {
    reader.at += 8;
    reader.offset();
  }
  return abbreviations;
}

/** Folders by the offsets of line tables; as far as .debug_info can be read. */
export function folderOfUnits(file: ElfFile, strings: Strings): Map<number, string> {
  const folders = new Map<number, string>();
  const [info, abbreviations] = [sectionBytes(file, ".debug_info"), sectionBytes(file, ".debug_abbrev")];
  if (info === null || abbreviations === null) return folders;
  const reader = new DwarfReader(info, strings);
  try {
    while (reader.at < info.length) {
      const end = reader.unitEnd();
      const table = readUnitHeader(reader);
      const attributes = attributesOf(abbreviations, strings, table, reader.uleb()) ?? [];
      const values = new Map(attributes.map(([name, form]) => [name, reader.form(form)]));
      const [list, folder] = [values.get(DW_AT_STMT_LIST), values.get(DW_AT_COMP_DIR)];
      if (typeof list === "number" && typeof folder === "string") folders.set(list, folder);
      reader.at = end;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return folders;
}
