// What the decoder says about one instruction: lengths and positions, never text.
//
// Terms and numbering are those of the Intel SDM, volume 2, chapter 2 ("Instruction Format"). All positions are offsets
// in bytes from the instruction's first byte; a size of 0 means "not there".

/** Opcode maps: SDM volume 2, appendix A; XOP maps are AMD's (APM volume 3). */
export const MAP_ONE_BYTE: u8 = 0;
export const MAP_0F: u8 = 1;
export const MAP_0F38: u8 = 2;
export const MAP_0F3A: u8 = 3;
export const MAP_3DNOW: u8 = 15;
// EVEX maps 4 (APX), 5 and 6 (FP16) and XOP maps 8, 9 and 10 keep their own numbers.

/** How the opcode is introduced. */
export const ENCODING_LEGACY: u8 = 0;
export const ENCODING_VEX: u8 = 1;
export const ENCODING_EVEX: u8 = 2;
export const ENCODING_XOP: u8 = 3;
export const ENCODING_REX2: u8 = 4;

/** Where control can go from here. */
export const FLOW_NEXT: u8 = 0; // the next instruction only
export const FLOW_JUMP_RELATIVE: u8 = 1; // jmp rel8, rel32
export const FLOW_JUMP_CONDITIONAL: u8 = 2; // jcc rel8, rel32
export const FLOW_LOOP: u8 = 3; // loop, loope, loopne, jrcxz: rel8 only
export const FLOW_CALL_RELATIVE: u8 = 4; // call rel32
export const FLOW_JUMP_INDIRECT: u8 = 5; // jmp r/m64, far jmp
export const FLOW_CALL_INDIRECT: u8 = 6; // call r/m64, far call
export const FLOW_RETURN: u8 = 7; // ret, ret imm16, retf, iret
export const FLOW_SYSCALL: u8 = 8; // syscall
export const FLOW_INTERRUPT: u8 = 9; // int3, int imm8, int1
export const FLOW_XBEGIN: u8 = 10; // xbegin rel32: falls through or aborts to its target
export const FLOW_STOP: u8 = 11; // ud0, ud1, ud2, hlt: control does not go on
export const FLOW_SYSENTER: u8 = 12; // sysenter, sysexit, sysret: not used by 64-bit programs on Linux

/** Bits of `Instruction.prefixes`: legacy prefixes that are present. */
export const PREFIX_OPERAND_SIZE: u16 = 1 << 0; // 66
export const PREFIX_ADDRESS_SIZE: u16 = 1 << 1; // 67
export const PREFIX_LOCK: u16 = 1 << 2; // f0
export const PREFIX_REPNE: u16 = 1 << 3; // f2
export const PREFIX_REP: u16 = 1 << 4; // f3
export const PREFIX_CS: u16 = 1 << 5; // 2e
export const PREFIX_SS: u16 = 1 << 6; // 36
export const PREFIX_DS: u16 = 1 << 7; // 3e
export const PREFIX_ES: u16 = 1 << 8; // 26
export const PREFIX_FS: u16 = 1 << 9; // 64
export const PREFIX_GS: u16 = 1 << 10; // 65

/** Longest instruction there is: SDM volume 2, section 2.3.11. */
export const INSTRUCTION_MAX = 15;

@unmanaged
export class Instruction {
  /** In bytes, 1..15. */
  length: u8;
  encoding: u8;
  map: u8;
  opcode: u8;
  /** The REX byte (0x40..0x4f), or 0. For VEX, EVEX, XOP and REX2: the same bits W R X B in REX's places, with 0x40 set. */
  rex: u8;
  flow: u8;
  /** Offset of the opcode's last byte. 3DNow!'s opcode comes after the operand: it is the instruction's last byte. */
  opcodeOffset: u8;
  /** Offset of ModRM, or 0 where there is none (offset 0 cannot be ModRM). */
  modrmOffset: u8;
  modrm: u8;
  sib: u8;
  /** 1 when a SIB byte is there. */
  hasSib: u8;
  /** Displacement of a memory operand (also moffs of a0..a3, of 4 or 8 bytes). */
  dispOffset: u8;
  dispSize: u8;
  /** First immediate, or the rel8/rel32 of a branch. */
  immOffset: u8;
  immSize: u8;
  /** Second immediate: `enter imm16, imm8`, and far pointers do not exist in 64-bit mode. */
  imm2Size: u8;
  /** 1 when the memory operand is disp32(%rip) or, with a 67 prefix, disp32(%eip). */
  ripRelative: u8;
  reserved: u8;
  prefixes: u16;
  /** The register that VEX.vvvv, XOP.vvvv or EVEX.V'vvvv names (not inverted), 0 where there is none. */
  vvvv: u8;
  /** Bit 4 of register numbers, from EVEX and REX2: R4 (4), X4 (2), B4 (1), not inverted. */
  rexHigh: u8;
  /** EVEX: the third payload byte, z L'L b V' aaa. VEX and XOP: L in the place of L'L. 0 elsewhere. */
  evex: u8;
  /** The mandatory prefix: 0 none, 1: 66, 2: F3, 3: F2, as VEX.pp counts. With legacy encoding: what stands there, used or not. */
  mandatoryPrefix: u8;
}
export const INSTRUCTION_SIZE = offsetof<Instruction>();
