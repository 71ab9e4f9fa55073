// The sixteen general purpose registers of AMD64 in their four widths. ah, ch, dh and bh are left out: they cannot be
// encoded beside a REX prefix, and nothing here needs them.

export type Size = 8 | 16 | 32 | 64;

export class Register {
  constructor(
    /** As objdump writes it, without `%`. */
    readonly name: string,
    /** 0-15, as ModRM, SIB and REX encode it. */
    readonly number: number,
    readonly size: Size,
  ) {}

  toString(): string {
    return `%${this.name}`;
  }
}

const names64 = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const names32 = "eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d".split(" ");
const names16 = "ax cx dx bx sp bp si di r8w r9w r10w r11w r12w r13w r14w r15w".split(" ");
const names8 = "al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b".split(" ");

type Sixteen = readonly [
  ...[Register, Register, Register, Register, Register, Register, Register, Register],
  ...[Register, Register, Register, Register, Register, Register, Register, Register],
];
const sixteen = (names: string[], size: Size): Sixteen =>
  names.map((name, number) => new Register(name, number, size)) as unknown as Sixteen;

/** Registers of one width, indexed by number. */
export const registers64 = sixteen(names64, 64);
export const registers32 = sixteen(names32, 32);
export const registers16 = sixteen(names16, 16);
export const registers8 = sixteen(names8, 8);

export const [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] = registers64;
export const [eax, ecx, edx, ebx, esp, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d] = registers32;
export const [ax, cx, dx, bx, sp, bp, si, di, r8w, r9w, r10w, r11w, r12w, r13w, r14w, r15w] = registers16;
export const [al, cl, dl, bl, spl, bpl, sil, dil, r8b, r9b, r10b, r11b, r12b, r13b, r14b, r15b] = registers8;

/** The view of register `number` that is `size` bits wide. */
export function register(number: number, size: Size): Register {
  const file = size === 64 ? registers64 : size === 32 ? registers32 : size === 16 ? registers16 : registers8;
  const found = file[number];
  if (found === undefined) throw new RangeError(`no general purpose register has the number ${number}`);
  return found;
}

/** The same register in another width. */
export const resize = (of: Register, size: Size): Register => register(of.number, size);
