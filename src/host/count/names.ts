// Names for counted instructions: functions and disassembly, from the files as they are now.

import { Disassembler } from "../disassembly.js";
import { type ElfFile, VDSO_NAME, readElfFile, readVdso } from "../elf-file.js";
import { Symbols } from "../symbols.js";

const INSTRUCTION_MAX = 15;

export class Names {
  private readonly files = new Map<string, { file: ElfFile; symbols: Symbols; disassembler: Disassembler } | null>();

  private of(path: string) {
    let found = this.files.get(path);
    if (found === undefined) {
      try {
        const file = path === VDSO_NAME ? readVdso() : readElfFile(path);
        found = { file, symbols: new Symbols(file), disassembler: new Disassembler(file, true) };
      } catch {
        // It is gone, or was never a file: its addresses stand for themselves.
        found = null;
      }
      this.files.set(path, found);
    }
    return found;
  }

  /** The symbol of the function that holds an address, or null. */
  functionAt(path: string, address: bigint): string | null {
    return this.of(path)?.symbols.functionAt(address)?.symbol ?? null;
  }

  /** `main+0x12`, `.text+0x1234` or `0x1234`. */
  placeOf(path: string, address: bigint): string {
    return this.of(path)?.symbols.nameOf(address) ?? `0x${address.toString(16)}`;
  }

  /** The instruction at an address, or null. */
  textOf(path: string, address: bigint): string | null {
    const known = this.of(path);
    const segment = known?.file.segments.find(
      (one) => address >= one.address && address < one.address + BigInt(one.fileSize),
    );
    if (!known || segment === undefined) return null;
    const offset = segment.offset + Number(address - segment.address);
    return known.disassembler.print(known.file.bytes.subarray(offset, offset + INSTRUCTION_MAX), address)?.text ?? null;
  }
}
