// Code for fuzzing the planner: instructions drawn from a list that leans on what patching finds hard (short ones, ones
// that depend on their place, ones that cannot move), one after the other, with known starts.

/** Small and repeatable: mulberry32. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** `rr` is a random byte; `ss` is a rel8 and `tt tt tt tt` a rel32 to an instruction. */
const INSTRUCTIONS = [
  "0f 05", // syscall
  "0f 05",
  "0f 05",
  "50", // push %rax
  "5b", // pop %rbx
  "c3", // ret
  "90", // nop
  "c9", // leave
  "66 90",
  "0f 1f 00", // nopl (%rax)
  "0f 1f 44 00 00",
  "0f 1f 80 00 00 00 00",
  "66 2e 0f 1f 84 00 00 00 00 00",
  "31 c0", // xor %eax,%eax
  "89 c2", // mov %eax,%edx
  "85 c0", // test %eax,%eax
  "48 89 03", // mov %rax,(%rbx)
  "48 8b 45 rr", // mov rr(%rbp),%rax
  "48 83 c4 rr", // add $rr,%rsp
  "48 3d 01 f0 ff ff", // cmp $-4095,%rax
  "48 3d 00 f0 ff ff",
  "b8 rr 00 00 00", // mov $rr,%eax
  "48 c7 c0 rr rr rr rr",
  "48 b8 rr rr rr rr rr rr rr rr", // movabs
  "48 8d 35 rr rr rr 00", // lea rr(%rip),%rsi
  "8b 05 rr rr rr 00", // mov rr(%rip),%eax
  "c7 05 rr rr rr 00 rr rr rr rr", // movl $..,rr(%rip)
  "66 0f 6f 05 rr rr 00 00", // movdqa rr(%rip),%xmm0
  "c5 f8 28 05 rr rr 00 00", // vmovaps rr(%rip),%xmm0
  "74 ss", // je
  "75 ss", // jne
  "0f 84 tt tt tt tt", // je rel32
  "eb ss", // jmp
  "e9 tt tt tt tt", // jmp rel32
  "e2 ss", // loop
  "e3 ss", // jrcxz
  "67 e3 ss", // jecxz
  "c7 f8 tt tt tt tt", // xbegin
  "e8 tt tt tt tt", // call
  "ff d0", // call *%rax
  "ff 15 rr rr 00 00", // call *rr(%rip)
  "ff e0", // jmp *%rax
  "41 ff 24 c7", // jmp *(%r15,%rax,8)
  "ff 25 rr rr 00 00", // jmp *rr(%rip)
  "f0 48 0f b1 0b", // lock cmpxchg
  "f3 0f 1e fa", // endbr64
  "f3 48 ab", // rep stos
  "0f 0b", // ud2
  "cc", // int3
  "64 48 8b 04 25 28 00 00 00", // mov %fs:40,%rax
] as const;

export interface RandomCode {
  bytes: Uint8Array;
  starts: number[];
}

export function randomCode(random: Random, size: number): RandomCode {
  const bytes: number[] = [];
  const starts: number[] = [];
  const branches: { offset: number; size: 1 | 4 }[] = [];
  while (bytes.length < size) {
    starts.push(bytes.length);
    const texts = random.pick(INSTRUCTIONS).split(" ");
    if (texts.includes("ss")) branches.push({ offset: bytes.length + texts.indexOf("ss"), size: 1 });
    if (texts.includes("tt")) branches.push({ offset: bytes.length + texts.indexOf("tt"), size: 4 });
    for (const text of texts) {
      const isFixed = /^[0-9a-f]+$/.test(text);
      bytes.push(isFixed ? parseInt(text, 16) : random.below(256));
    }
  }
  for (const branch of branches) {
    const next = branch.offset + branch.size;
    const targets = branch.size === 4 ? starts : starts.filter((start) => start >= next - 128 && start <= next + 127);
    const distance = random.pick(targets) - next;
    for (let i = 0; i < branch.size; i++) bytes[branch.offset + i] = (distance >> (8 * i)) & 0xff;
  }
  return { bytes: Uint8Array.from(bytes), starts };
}
