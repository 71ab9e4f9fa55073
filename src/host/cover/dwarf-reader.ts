// The values of DWARF's sections: numbers, strings, and the forms in which attributes are written (DWARF 5, section 7.5).

import { inflateSync } from "node:zlib";
import type { ElfFile } from "../elf-file.js";

const ELFCOMPRESS_ZLIB = 1;
const COMPRESSION_HEADER = 24;

/** A section's bytes; null when it is not there, or compressed in a way that Node does not know. */
export function sectionBytes(file: ElfFile, name: string): Buffer | null {
  const section = file.sections.find((each) => each.name === name);
  if (section === undefined) return null;
  const bytes = file.bytes.subarray(section.offset, section.offset + section.size);
  if (!section.compressed) return bytes;
  if (bytes.length < COMPRESSION_HEADER || bytes.readUInt32LE(0) !== ELFCOMPRESS_ZLIB) return null;
  return inflateSync(bytes.subarray(COMPRESSION_HEADER));
}

/** Sections that strings are in. */
export interface Strings {
  readonly strings: Buffer | null;
  readonly lineStrings: Buffer | null;
}

export function textAt(bytes: Buffer | null, offset: number): string {
  if (bytes === null || offset >= bytes.length) return "";
  return bytes.toString("utf8", offset, bytes.indexOf(0, offset));
}

// DW_FORM_: 7.5.6. Numbers of fixed size, by their form.
const FIXED: ReadonlyMap<number, number> = new Map([
  ...[0x0b, 0x0c, 0x11, 0x25, 0x29].map((form) => [form, 1] as const), // data1, flag, ref1, strx1, addrx1
  ...[0x05, 0x12, 0x26, 0x2a].map((form) => [form, 2] as const), // data2, ref2, strx2, addrx2
  ...[0x27, 0x2b].map((form) => [form, 3] as const), // strx3, addrx3
  ...[0x06, 0x13, 0x1c, 0x28, 0x2c].map((form) => [form, 4] as const), // data4, ref4, ref_sup4, strx4, addrx4
  ...[0x07, 0x14, 0x20, 0x24].map((form) => [form, 8] as const), // data8, ref8, ref_sig8, ref_sup8
  [0x1e, 16], // data16
]);
const DW_FORM_ADDR = 0x01;
const DW_FORM_BLOCK2 = 0x03;
const DW_FORM_BLOCK4 = 0x04;
const DW_FORM_STRING = 0x08;
const DW_FORM_BLOCK = 0x09;
const DW_FORM_BLOCK1 = 0x0a;
const DW_FORM_SDATA = 0x0d;
const DW_FORM_STRP = 0x0e;
const DW_FORM_UDATA = 0x0f;
const DW_FORM_REF_ADDR = 0x10;
const DW_FORM_REF_UDATA = 0x15;
const DW_FORM_INDIRECT = 0x16;
const DW_FORM_SEC_OFFSET = 0x17;
const DW_FORM_EXPRLOC = 0x18;
const DW_FORM_FLAG_PRESENT = 0x19;
const DW_FORM_STRX = 0x1a;
const DW_FORM_ADDRX = 0x1b;
const DW_FORM_STRP_SUP = 0x1d;
const DW_FORM_LINE_STRP = 0x1f;
const DW_FORM_IMPLICIT_CONST = 0x21;
const DW_FORM_LOCLISTX = 0x22;
const DW_FORM_RNGLISTX = 0x23;

/** A length that introduces the 64-bit format. */
const DWARF_64 = 0xffffffff;

/** Reads a section from front to end. What is beyond its end throws RangeError. */
export class DwarfReader {
  at = 0;
  version = 5;
  addressSize = 8;
  /** Bytes of an offset: 4, or 8 in the 64-bit format. */
  private offsetSize = 4;

  constructor(
    private readonly bytes: Buffer,
    private readonly strings: Strings,
  ) {}

  u8(): number {
    return this.bytes.readUInt8(this.at++);
  }
  s8(): number {
    return this.bytes.readInt8(this.at++);
  }
  u16(): number {
    this.at += 2;
    return this.bytes.readUInt16LE(this.at - 2);
  }
  u32(): number {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }
  private u64(): number {
    this.at += 8;
    return Number(this.bytes.readBigUInt64LE(this.at - 8));
  }
  /** Numbers beyond 2^53 are no addresses, sizes or lines. */
  uleb(): number {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }
  sleb(): number {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return byte & 0x40 ? value - scale : value;
    }
  }
  offset(): number {
    return this.offsetSize === 8 ? this.u64() : this.u32();
  }
  address(): number {
    return this.addressSize === 4 ? this.u32() : this.u64();
  }
  text(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new RangeError("a string without an end");
    const text = this.bytes.toString("utf8", this.at, end);
    this.at = end + 1;
    return text;
  }

  /** Reads the length at the start of a unit; gives where the unit ends. */
  unitEnd(): number {
    const length = this.u32();
    this.offsetSize = length === DWARF_64 ? 8 : 4;
    const size = length === DWARF_64 ? this.u64() : length;
    if (this.at + size > this.bytes.length) throw new RangeError("a unit beyond the end of its section");
    return this.at + size;
  }

  private skip(size: number): null {
    this.at += size;
    return null;
  }

  /** The value of an attribute, where it is a number or a string; null for others, which are passed over. */
  form(form: number): number | string | null {
    const size = FIXED.get(form);
    if (size !== undefined) {
      if (size === 16) return this.skip(16);
      if (size === 8) return this.u64();
      if (size === 4) return this.u32();
      return size === 1 ? this.u8() : size === 2 ? this.u16() : this.skip(3);
    }
    switch (form) {
      case DW_FORM_ADDR:
        return this.address();
      case DW_FORM_STRING:
        return this.text();
      case DW_FORM_STRP:
        return textAt(this.strings.strings, this.offset());
      case DW_FORM_LINE_STRP:
        return textAt(this.strings.lineStrings, this.offset());
      case DW_FORM_SEC_OFFSET:
        return this.offset();
      case DW_FORM_STRP_SUP:
        return this.skip(this.offsetSize);
      case DW_FORM_REF_ADDR:
        return this.skip(this.version === 2 ? this.addressSize : this.offsetSize);
      case DW_FORM_UDATA:
      case DW_FORM_REF_UDATA:
      case DW_FORM_STRX:
      case DW_FORM_ADDRX:
      case DW_FORM_LOCLISTX:
      case DW_FORM_RNGLISTX:
        return this.uleb();
      case DW_FORM_SDATA:
        return this.sleb();
      case DW_FORM_BLOCK:
      case DW_FORM_EXPRLOC:
        return this.skip(this.uleb());
      case DW_FORM_BLOCK1:
        return this.skip(this.u8());
      case DW_FORM_BLOCK2:
        return this.skip(this.u16());
      case DW_FORM_BLOCK4:
        return this.skip(this.u32());
      case DW_FORM_INDIRECT:
        return this.form(this.uleb());
      case DW_FORM_FLAG_PRESENT:
      case DW_FORM_IMPLICIT_CONST:
        return null;
    }
    throw new RangeError(`DWARF has no form ${form}`);
  }
}
