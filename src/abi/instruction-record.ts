// What is known about one instruction: the record that `match` of a --match expression (src/match) and of a hook looks at.
// The engine fills it (src/engine/x86/instruction-record.ts) for each instruction that it decodes.
//
// The record is at RECORD_ADDRESS of the linear memory of whoever looks at it, little-endian:
//
//   offset  size  what                                                                            group
//   0x00     8    address: in the process (of a file that is inspected: as objdump prints it)
//   0x08     8    offset in the file
//   0x10     8    target: where a direct jump or call leads                                       HAS_TARGET
//   0x18     8    address of the operand in memory, where the instruction alone says it           HAS_MEMORY_ADDRESS
//   0x20     8    displacement of the operand in memory, signed                                   HAS_MEMORY
//   0x28     8    the first immediate, signed                                                     HAS_IMMEDIATE
//   0x30     4    classes: CLASS_ bits
//   0x34     4    has: HAS_ bits, what is there
//   0x38     4    opcode with its escape bytes: 0x89, 0x0f05, 0x0f38f0
//   0x3c     4    groups: NEEDS_ bits, which of the fields are filled
//   0x40     4    general registers read: bit n is register n of ModRM's numbering                NEEDS_FACTS
//   0x44     4    ... written, wholly or in part                                                  NEEDS_FACTS
//   0x48     4    vector registers read, 0..31                                                    NEEDS_FACTS
//   0x4c     4    ... written                                                                     NEEDS_FACTS
//   0x50     2    mnemonic: its number in src/match/mnemonics.ts, 0: none                         NEEDS_NAME
//   0x52     2    bytes of the operand in memory, 0: not known                                    NEEDS_FACTS
//   0x54     2    width: bytes of the first operand, 0: not known                                 NEEDS_NAME
//   0x56     1    size: of the instruction, in bytes
//   0x57     1    flow: FLOW_ of src/engine/x86/instruction.ts
//   0x58     1    base: a general register's number, REGISTER_RIP, REGISTER_NONE                  NEEDS_FACTS
//   0x59     1    index: likewise; with VSIB VECTOR_INDEX + the vector register's number        NEEDS_FACTS
//   0x5a     1    scale: 1, 2, 4, 8                                                               NEEDS_FACTS
//   0x5b     1    segment: 0 none, 1 fs, 2 gs                                                     NEEDS_FACTS
//   0x5c     1    flags read: FLAG_ of src/engine/x86/facts.ts                                    NEEDS_FACTS
//   0x5d     1    ... written or left undefined                                                   NEEDS_FACTS
//   0x5e     1    opmask registers read                                                           NEEDS_FACTS
//   0x5f     1    ... written                                                                     NEEDS_FACTS
//   0x60    15    the instruction's bytes; what is behind them is rubbish
//   0x70          texts, see below
//
// Groups: fields without one are always filled. Whoever looks says which others it wants, and pays for no more.
// A field that HAS_ bits speak about says nothing without its bit.
//
// A text is { number u32, length i32, bytes }. The length is TEXT_UNKNOWN where nobody knows it. Two records with the same
// number, other than 0, have the same text, so that an answer about a long text can be remembered. Longer texts are cut.
//
// No type annotations and no imports: this file is TypeScript for the host and AssemblyScript for the engine.

/** Where the record is in linear memory: not at 0, which is no pointer. */
export const RECORD_ADDRESS = 64;

export const RECORD_INSTRUCTION_ADDRESS = 0x00;
export const RECORD_FILE_OFFSET = 0x08;
export const RECORD_TARGET = 0x10;
export const RECORD_MEMORY_ADDRESS = 0x18;
export const RECORD_DISPLACEMENT = 0x20;
export const RECORD_IMMEDIATE = 0x28;
export const RECORD_CLASSES = 0x30;
export const RECORD_HAS = 0x34;
export const RECORD_OPCODE = 0x38;
export const RECORD_GROUPS = 0x3c;
export const RECORD_REGISTERS_READ = 0x40;
export const RECORD_REGISTERS_WRITTEN = 0x44;
export const RECORD_VECTORS_READ = 0x48;
export const RECORD_VECTORS_WRITTEN = 0x4c;
export const RECORD_MNEMONIC = 0x50;
export const RECORD_MEMORY_SIZE = 0x52;
export const RECORD_WIDTH = 0x54;
export const RECORD_INSTRUCTION_SIZE = 0x56;
export const RECORD_FLOW = 0x57;
export const RECORD_BASE = 0x58;
export const RECORD_INDEX = 0x59;
export const RECORD_SCALE = 0x5a;
export const RECORD_SEGMENT = 0x5b;
export const RECORD_FLAGS_READ = 0x5c;
export const RECORD_FLAGS_WRITTEN = 0x5d;
export const RECORD_OPMASKS_READ = 0x5e;
export const RECORD_OPMASKS_WRITTEN = 0x5f;
export const RECORD_BYTES = 0x60;
/** What is added to the number of a vector register that is an index. */
export const VECTOR_INDEX = 32;
/** Of the fields; the texts come behind. */
export const RECORD_FIELDS_SIZE = 0x70;

export const TEXT_NUMBER = 0;
export const TEXT_LENGTH = 4;
export const TEXT_BYTES = 8;
export const TEXT_UNKNOWN = -1;

/** The file that the instruction is from: its path. */
export const RECORD_FILE = 0x70;
export const FILE_TEXT_MAX = 4096;
/** The function that holds the instruction: its name in the symbol table, not demangled. */
export const RECORD_FUNCTION = 0x1080;
export const FUNCTION_TEXT_MAX = 2040;
/** The same two of the place where a direct jump or call leads; of a PLT entry those of the function that it jumps to. */
export const RECORD_TARGET_FILE = 0x1880;
export const RECORD_TARGET_FUNCTION = 0x2890;
/** The instruction as `flicker inspect` prints it, with one space behind the mnemonic. */
export const RECORD_DISASSEMBLY = 0x3090;
export const DISASSEMBLY_TEXT_MAX = 248;
export const RECORD_SIZE = 0x3190;

// NEEDS_ bits: groups of fields, and texts.
/** Mnemonic, width, and the classes string, simd, x87, nop. */
export const NEEDS_NAME = 1;
/** Registers, flags, memory, and the classes load, store, stack, atomic. */
export const NEEDS_FACTS = 2;
export const NEEDS_FILE = 4;
export const NEEDS_FUNCTION = 8;
export const NEEDS_TARGET_FILE = 16;
export const NEEDS_TARGET_FUNCTION = 32;
export const NEEDS_DISASSEMBLY = 64;
/** The class block. */
export const NEEDS_BLOCKS = 128;

// HAS_ bits.
export const HAS_TARGET = 1;
export const HAS_IMMEDIATE = 2;
/** There is an operand in memory, spelled by ModRM or moffs; lea has one too, and accesses nothing. */
export const HAS_MEMORY = 4;
export const HAS_MEMORY_ADDRESS = 8;
/** An operand in memory is read; written. */
export const HAS_MEMORY_READ = 16;
export const HAS_MEMORY_WRITE = 32;
export const HAS_OFFSET = 64;
/** The facts are known (isKnown of src/engine/x86/facts.ts); without, what NEEDS_FACTS asks for says nothing. */
export const HAS_FACTS = 128;

// CLASS_ bits.
export const CLASS_JUMP = 1;
export const CLASS_CONDITIONAL = 1 << 1;
export const CLASS_CALL = 1 << 2;
export const CLASS_RETURN = 1 << 3;
export const CLASS_INDIRECT = 1 << 4;
export const CLASS_SYSCALL = 1 << 5;
export const CLASS_INTERRUPT = 1 << 6;
export const CLASS_LOAD = 1 << 7;
export const CLASS_STORE = 1 << 8;
export const CLASS_STACK = 1 << 9;
export const CLASS_ATOMIC = 1 << 10;
export const CLASS_STRING = 1 << 11;
export const CLASS_SIMD = 1 << 12;
export const CLASS_X87 = 1 << 13;
export const CLASS_NOP = 1 << 14;
export const CLASS_LOCK = 1 << 15;
export const CLASS_REP = 1 << 16;
export const CLASS_VEX = 1 << 17;
export const CLASS_EVEX = 1 << 18;
export const CLASS_RIP_RELATIVE = 1 << 19;
export const CLASS_BLOCK = 1 << 20;
