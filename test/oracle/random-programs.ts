// Random programs for `--match`: functions of random instructions, branches, loops and calls, as assembly text. They compute
// with all registers but rsp, r14 (5) and r15 (the middle of `arena`), on `arena` and on their stack with its red zone, and end
// whatever they compute; random-programs.S runs them and writes down what they leave.
//
// What they lean on is what relocation and eviction can get wrong: operands relative to rip, with immediates behind them, and
// to rsp; short instructions; branches in every size; calls in every form. What a program can compute natively is left to the
// processor: flags that the SDM calls undefined are what this processor makes of the same operands, both times.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../patch/random-code.js";

/** Bytes of `arena` on either side of r15, less the widest operand and what an index of r14 adds. */
const ARENA_REACH = 1024 - 64 - 40 - 8;
const FRAME = 256;

const ROWS = ["rax eax ax al", "rbx ebx bx bl", "rcx ecx cx cl", "rdx edx dx dl", "rsi esi si sil", "rdi edi di dil"]
  .concat(["rbp ebp bp bpl", "r8 r8d r8w r8b", "r9 r9d r9w r9b", "r10 r10d r10w r10b", "r11 r11d r11w r11b"])
  .concat(["r12 r12d r12w r12b", "r13 r13d r13w r13b"])
  .map((row) => row.split(" "));
const COLUMN: Readonly<Record<string, number>> = { "64": 0, "32": 1, "16": 2, "8": 3 };
const CONDITIONS = "o no b ae e ne be a s ns p np l ge le g".split(" ");

// What stands for what, in templates of GNU as:
//   rN         a register of N bits          mN   memory of N bits       eN   a register or memory
//   h          ah, bh, ch or dh              ml   memory that needs no REX
//   x y z      vector registers              ma   memory, aligned for them  mu   memory, wherever
//   i8 i16 i32 immediates, signed            u5 u6 u8  unsigned             cc   a condition
const ARITHMETIC = "add or adc sbb and sub xor cmp test mov".split(" ");
const SIZES = [
  ["b", "8"],
  ["w", "16"],
  ["l", "32"],
  ["q", "64"],
] as const;
const IMMEDIATE: Readonly<Record<string, string>> = { "8": "i8", "16": "i16", "32": "i32", "64": "i32" };

function bySize(template: string, sizes: readonly (readonly [string, string])[] = SIZES): string[] {
  return sizes.map(([suffix, bits]) =>
    template
      .replaceAll("#", bits)
      .replaceAll("~", suffix)
      .replaceAll("<imm>", `<${IMMEDIATE[bits] as string}>`),
  );
}
const wide = SIZES.slice(1);

const INTEGER: readonly string[] = [
  ...ARITHMETIC.flatMap((name) => [
    ...bySize(`${name}~ <r#>, <e#>`),
    ...(name === "test" ? [] : bySize(`${name}~ <m#>, <r#>`)),
    ...bySize(`${name}~ $<imm>, <e#>`),
    ...(name === "mov" || name === "test" ? [] : bySize(`${name}~ $<i8>, <e#>`)),
    ...bySize(`${name}~ <r#>, <r#>`),
    `${name}b <h>, <ml>`,
    `${name}b <h>, <h>`,
  ]),
  ...["rol", "ror", "rcl", "rcr", "shl", "shr", "sar"].flatMap((name) => [
    ...bySize(`${name}~ $<u5>, <e#>`),
    ...bySize(`${name}~ %cl, <e#>`),
    ...bySize(`${name}~ <e#>`),
  ]),
  ...["inc", "dec", "neg", "not"].flatMap((name) => [...bySize(`${name}~ <e#>`), ...bySize(`lock ${name}~ <m#>`)]),
  ...["add", "or", "adc", "sbb", "and", "sub", "xor"].flatMap((name) => bySize(`lock ${name}~ <r#>, <m#>`)),
  ...ARITHMETIC.filter((name) => name !== "test").flatMap((name) => bySize(`{load} ${name}~ <r#>, <r#>`)),
  ...["mul", "imul"].flatMap((name) => bySize(`${name}~ <e#>`)),
  ...bySize("imul~ <e#>, <r#>", wide),
  ...bySize("imul~ $<imm>, <e#>, <r#>", wide),
  ...bySize("imul~ $<i8>, <e#>, <r#>", wide),
  ...["shld", "shrd"].flatMap((name) => [
    ...bySize(`${name}~ $<u5>, <r#>, <e#>`, wide),
    ...bySize(`${name}~ %cl, <r#>, <e#>`, wide),
  ]),
  ...["bt", "bts", "btr", "btc"].flatMap((name) => [
    ...bySize(`${name}~ $<u5>, <e#>`, wide),
    ...bySize(`${name}~ <r#>, <r#>`, wide),
  ]),
  ...["bsf", "bsr", "popcnt", "lzcnt", "tzcnt"].flatMap((name) => bySize(`${name}~ <e#>, <r#>`, wide)),
  ...bySize("xchg~ <r#>, <e#>"),
  ...bySize("xadd~ <r#>, <e#>"),
  ...bySize("lock xadd~ <r#>, <m#>"),
  ...bySize("cmpxchg~ <r#>, <e#>"),
  ...bySize("lock cmpxchg~ <r#>, <m#>"),
  "cmpxchg8b <m64>",
  "lock cmpxchg16b <ma>",
  "bswap <r32>",
  "bswap <r64>",
  "set<cc> <e8>",
  ...bySize("cmov<cc>~ <e#>, <r#>", wide),
  "movzbl <e8>, <r32>",
  "movzwl <e16>, <r32>",
  "movzwq <e16>, <r64>",
  "movsbw <e8>, <r16>",
  "movsbl <e8>, <r32>",
  "movsbq <e8>, <r64>",
  "movswq <e16>, <r64>",
  "movslq <e32>, <r64>",
  ...bySize("lea~ <m#>, <r#>", wide),
  "lea (<r64>,<r64>,4), <r64>",
  "lea <i32>(<r64>,<r64>,8), <r32>",
  "movabs $0x<q>, <r64>",
  "movabs arena + <u8>, %rax",
  "movabs %eax, arena + <u8>",
  "push <r64>; pop <r64>",
  "push <m64>; pop <r64>",
  "push $<i8>; pop <m64>",
  "push $<i32>; pop <r64>",
  "pushw <e16>; popw <e16>",
  "push <r64>; push <r64>; pop (%rsp); pop <r64>",
  "push <r64>; push <r64>; push <r64>; pop 8(%rsp); pop <r64>; pop <r64>",
  "push (%rsp); pop <r64>",
  "push %rsp; pop <r64>",
  "push <r64>; add <r64>, (%rsp); pop <r64>",
  "pushfq; pop <r64>",
  "push $0x<flags>; popfq",
  "pushfw; popw <r16>",
  "lahf",
  "sahf",
  "cmc",
  "clc",
  "stc",
  ...["cbtw", "cwtl", "cltq", "cwtd", "cltd", "cqto"],
  "and $0x3f, %al; lea arena(%rip), %rbx; xlatb",
  "or $1, <r32:rdx>; xor %edx, %edx; div <r32:rdx>",
  "movl $0x<q32>1, <m32:rdx>; xor %edx, %edx; divl <m32:rdx>",
  "or $1, <r64:rdx,rax>; mov %eax, %eax; cqto; idiv <r64:rdx,rax>",
  "enter $16, $0; leave",
  "push %rbp; mov %rsp, %rbp; sub $32, %rsp; mov <r64>, -16(%rbp); leave",
  "nop",
  "nopl <m32>",
  "nopw 0(%rax,%rax,1)",
  ".byte 0x66; nopw %cs:0(%rax,%rax,1)",
  "pause",
  "endbr64",
  "lfence",
  "prefetcht0 <m8>",
  "rex.W add <r32>, <r32>",
  ".byte 0x3e; mov <m32>, <r32>",
  "movnti <r64>, <m64>",
  "mov %fs, <r32>",
];

const STRINGS: readonly string[] = [
  ..."movsb movsw movsl movsq stosb stosw stosl stosq".split(" ").flatMap((name) => [name, `rep ${name}`]),
  ..."lodsb lodsw lodsl lodsq".split(" "),
  ..."cmpsb cmpsw cmpsl cmpsq scasb scasw scasl scasq"
    .split(" ")
    .flatMap((name) => [name, `repe ${name}`, `repne ${name}`]),
];

const EXTENSIONS: Readonly<Record<string, readonly string[]>> = {
  movbe: bySize("movbe <m#>, <r#>", wide),
  sse4_2: ["crc32b <e8>, <r32>", "crc32q <e64>, <r64>", "pcmpestri $<u8>, <ma>, <x>", "pcmpistrm $<u8>, <x>, <x>"],
  bmi1: ["andn <e32>, <r32>, <r32>", "bextr <r64>, <e64>, <r64>", "blsi <e32>, <r32>", "blsmsk <e64>, <r64>"],
  bmi2: [
    ...["pdep", "pext", "mulx"].map((name) => `${name} <e64>, <r64>, <r64>`),
    "rorx $<u6>, <e64>, <r64>",
    ...["sarx", "shlx", "shrx"].map((name) => `${name} <r32>, <e32>, <r32>`),
  ],
  adx: ["adcx <e32>, <r32>", "adox <e64>, <r64>"],
  sse2: [
    ..."paddd psubq pxor pand por pmuludq pcmpeqd punpcklbw addps mulpd minps sqrtpd"
      .split(" ")
      .flatMap((name) => [`${name} <x>, <x>`, `${name} <ma>, <x>`]),
    ..."addss mulsd ucomiss comisd cvtss2sd".split(" ").flatMap((name) => [`${name} <x>, <x>`, `${name} <mu>, <x>`]),
    ..."movups movdqu".split(" ").flatMap((name) => [`${name} <mu>, <x>`, `${name} <x>, <mu>`]),
    ..."movaps movdqa movntdq".split(" ").map((name) => `${name} <x>, <ma>`),
    "movdqa <ma>, <x>",
    ..."pshufd shufps".split(" ").flatMap((name) => [`${name} $<u8>, <x>, <x>`, `${name} $<u8>, <ma>, <x>`]),
    "psrldq $<u5>, <x>",
    "movd <e32>, <x>",
    "movq <x>, <r64>",
    "movq <m64>, <x>",
    "movmskps <x>, <r32>",
    "cvtsi2sdq <e64>, <x>",
    "cvttsd2si <x>, <r64>",
    "stmxcsr <m32>",
  ],
  ssse3: ["pshufb <ma>, <x>", "palignr $<u5>, <ma>, <x>"],
  sse4_1: ["pextrq $1, <x>, <e64>", "pinsrb $<u5>, <m8>, <x>", "ptest <ma>, <x>", "blendvps %xmm0, <ma>, <x>"],
  avx: [
    ..."vaddps vmulpd vxorps vminps".split(" ").flatMap((name) => [`${name} <y>, <y>, <y>`, `${name} <mu>, <y>, <y>`]),
    "{vex3} vandps <mu>, <x>, <x>",
    "vmovups <y>, <mu>",
    "vmovsd <x>, <mu>",
    "vextractf128 $1, <y>, <mu>",
    "vinsertf128 $<u5>, <mu>, <y>, <y>",
    "vblendvps <y>, <mu>, <y>, <y>",
  ],
  avx2: [
    ..."vpaddd vpsubq vpcmpgtb vpshufb"
      .split(" ")
      .flatMap((name) => [`${name} <y>, <y>, <y>`, `${name} <mu>, <y>, <y>`]),
    "vpermq $<u8>, <mu>, <y>",
    "vpbroadcastb <m8>, <y>",
    "vpxor %ymm1, %ymm1, %ymm1; vpcmpeqd %ymm2, %ymm2, %ymm2; vpgatherdd %ymm2, 8(%r15,%ymm1,4), %ymm3",
  ],
  fma: ["vfmadd213ps <mu>, <y>, <y>"],
  avx512f: [
    "vaddps <mu>, <z>, <z>",
    "vpaddq <m64>{1to8}, <z>, <z>",
    "vpternlogd $<u8>, <mu>, <z>, <z>",
    "vmovdqu64 <z>, <mu>",
    "kmovw <r32>, %k1; vpaddd <mu>, <z>, <z>{%k1}{z}",
    "vpcmpud $<u5>, <mu>, <z>, %k2; kmovw %k2, <r32>",
    "{evex} vmovups <mu>, <x>",
  ],
};
const X87: readonly string[] = [
  "fldl <m64>; faddl <m64>; fstpl <m64>",
  "flds <m32>; fchs; fistpll <m64>",
  "fld1; fnstsw %ax; fstp %st(0)",
];

/** What the processor has, by the names of /proc/cpuinfo. */
function processorFlags(): ReadonlySet<string> {
  const line = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  return new Set(line.trim().split(" "));
}

/** What it has of EXTENSIONS. */
function templatesFor(flags: ReadonlySet<string>): readonly string[] {
  const extensions = Object.entries(EXTENSIONS).filter(([name]) => flags.has(name));
  return extensions.flatMap(([, templates]) => templates).concat(X87);
}

function vectorBytes(flags: ReadonlySet<string>): number {
  return flags.has("avx512f") ? 64 : flags.has("avx") ? 32 : 16;
}

/** One function being made. */
class FunctionMaker {
  readonly lines: string[] = [];
  private labels = 0;
  /** Bytes of its own frame that a line may change. */
  private readonly frame: number;

  constructor(
    private readonly random: Random,
    private readonly name: string,
    private readonly extensions: readonly string[],
    private readonly leaves: readonly string[],
  ) {
    this.frame = random.below(2) === 0 ? 0 : FRAME;
  }

  /** The whole function, with its FDE. */
  make(blocks: number): string {
    const { random } = this;
    const ends = Array.from({ length: blocks }, () => this.label());
    this.add(`.type ${this.name}, @function`, `${this.name}: .cfi_startproc`);
    if (this.frame !== 0) this.add(`sub $${this.frame}, %rsp`);
    for (const [index, end] of ends.entries()) {
      for (let i = 1 + random.below(6); i > 0; i--) this.instruction();
      const later = ends.slice(index);
      const ending = random.below(6);
      if (ending < 2) this.leaveBlock(later);
      else if (ending === 2) this.callLeaf();
      if (random.below(4) === 0) this.add(".p2align 4");
      this.add(`${end}:`);
    }
    if (this.frame !== 0) this.add(`add $${this.frame}, %rsp`);
    this.add(
      this.frame === 0 && this.leaves.length > 0 && random.below(8) === 0 ? `jmp ${random.pick(this.leaves)}` : "ret",
    );
    this.add(".cfi_endproc");
    if (random.below(4) === 0) this.add(".p2align 4");
    return this.lines.join("\n");
  }

  private add(...lines: string[]): void {
    this.lines.push(...lines);
  }
  private label(): string {
    return `.L${this.name}_${this.labels++}`;
  }

  /** A branch to one of the labels, which lie ahead. */
  private leaveBlock(later: readonly string[]): void {
    const { random } = this;
    const to = random.pick(later);
    const condition = random.pick(CONDITIONS);
    const near = random.below(2) === 0 ? "{disp32} " : "";
    switch (random.below(7)) {
      case 0:
        return this.add(`${near}jmp ${to}`);
      case 1:
        return this.add(`lea ${to}(%rip), %r11`, random.below(2) === 0 ? "jmp *%r11" : "notrack jmp *%r11");
      case 2:
        return this.add(`movq $${to}, 16(%r15)`, "jmp *16(%r15)");
      case 3: {
        const table = this.label();
        this.add(".section .rodata", ".balign 4", `${table}:`);
        for (let i = 0; i < 4; i++) this.add(`.long ${random.pick(later)} - ${table}`);
        return this.add(
          ".text",
          `lea ${table}(%rip), %r12`,
          "and $3, %eax",
          "movslq (%r12,%rax,4), %rax",
          "add %r12, %rax",
          "jmp *%rax",
        );
      }
      default:
        return this.add(`${near}j${condition} ${to}`);
    }
  }

  private callLeaf(): void {
    const { random } = this;
    if (this.leaves.length === 0) return;
    const leaf = random.pick(this.leaves);
    switch (random.below(10)) {
      case 0:
        return this.add(`lea ${leaf}(%rip), %rbx`, "call *%rbx");
      case 1:
        return this.add(`movq $${leaf}, 24(%r15)`, "call *24(%r15)");
      case 2:
        return this.add(`movq $${leaf}, arena + 96(%rip)`, "call *arena + 96(%rip)");
      case 3:
        return this.add(`push $${leaf}`, "call *(%rsp)", "pop %r9");
      case 4:
        return this.add(`push $${leaf}`, "push %rax", "call *8(%rsp)", "pop %r9", "pop %r10");
      case 5: {
        const here = this.label();
        return this.add(`call ${here}`, `${here}: pop %r8`);
      }
      case 6:
        return this.add(`movq $${leaf}, 40(%r15)`, "call *(%r15,%r14,8)");
      case 7:
        return this.add("push %rcx", "push %rdx", "call leaf_that_pops");
      default:
        return this.add(`call ${leaf}`);
    }
  }

  private instruction(): void {
    const { random } = this;
    const kind = random.below(20);
    if (kind === 0) return this.stringInstruction();
    if (kind === 1) return this.shortBranch();
    const template = kind < 6 ? random.pick(this.extensions) : random.pick(INTEGER);
    for (const line of this.fill(template).split("; ")) {
      const [, unlocked] = /^lock (.*)$/.exec(line) ?? [];
      if (unlocked === undefined || random.below(2) === 0) this.add(line);
      else this.add(`skip_lock ${random.pick(CONDITIONS)}`, unlocked);
    }
  }

  private stringInstruction(): void {
    const { random } = this;
    const backwards = random.below(3) === 0;
    this.add(`lea ${random.below(256) - 128}(%r15), %rsi`, `lea ${random.below(512) - 256}(%r15), %rdi`);
    this.add(`mov $${random.below(12)}, %ecx`);
    if (backwards) this.add("std");
    this.add(random.pick(STRINGS));
    if (backwards) this.add("cld");
  }

  /** loop, loope, loopne and jrcxz, which reach 127 bytes. */
  private shortBranch(): void {
    const { random } = this;
    const label = this.label();
    const body = (): string =>
      this.fill(random.pick(["add <r64:rcx>, <r64:rcx>", "inc <r8:rcx>", "addl $<i8>, <m32>"]));
    switch (random.below(4)) {
      case 0:
        return this.add(`mov $${random.below(3)}, %ecx`, `jrcxz ${label}`, body(), `${label}:`);
      case 1:
        return this.add(`mov $${random.below(2)}, %ecx`, `jecxz ${label}`, body(), `${label}:`);
      default:
        return this.add(
          `mov $${1 + random.below(4)}, %ecx`,
          `${label}:`,
          body(),
          body(),
          `${random.pick(["loop", "loope", "loopne"])} ${label}`,
        );
    }
  }

  private fill(template: string): string {
    // The same hole with registers left out is the same operand throughout a template.
    const fixed = new Map<string, string>();
    return template.replace(/<([a-z]+[0-9]*)(:[a-z0-9,]+)?>/g, (hole: string, kind: string, without?: string) => {
      if (without === undefined) return this.operand(kind, []) ?? hole;
      const got = fixed.get(hole) ?? this.operand(kind, without.slice(1).split(",")) ?? hole;
      fixed.set(hole, got);
      return got;
    });
  }

  private operand(kind: string, without: readonly string[]): string | null {
    const { random } = this;
    const [, letter = "", bits = ""] = /^([a-z]+)([0-9]*)$/.exec(kind) ?? [];
    switch (letter) {
      case "r":
        return this.register(bits, without);
      case "e":
        return random.below(2) === 0 ? this.register(bits, without) : this.memory();
      case "m":
      case "mu":
        return this.memory();
      case "ml":
        return random.pick([`arena + ${random.below(2000)}`, `arena + ${random.below(2000)}(%rip)`]);
      case "ma":
        return this.alignedMemory();
      case "h":
        return `%${random.pick(["ah", "bh", "ch", "dh"])}`;
      case "x":
        return `%xmm${random.below(16)}`;
      case "y":
        return `%ymm${random.below(16)}`;
      case "z":
        return `%zmm${random.below(16)}`;
      case "i":
        return String(this.immediate(Number(bits)));
      case "u":
        return String(random.below(1 << Number(bits)));
      case "cc":
        return random.pick(CONDITIONS);
      case "q":
        return Array.from({ length: bits === "32" ? 5 : 16 }, () => random.below(16).toString(16)).join("");
      case "flags":
        return (0x202 | (random.below(0x1000) & 0x8d5)).toString(16);
      default:
        return null;
    }
  }

  private register(bits: string, without: readonly string[]): string {
    const rows = ROWS.filter(([name]) => !without.includes(name as string));
    return `%${this.random.pick(rows)[COLUMN[bits] as number] as string}`;
  }

  private immediate(bits: number): number {
    const { random } = this;
    const small = [0, 1, -1, 127, -128];
    if (bits > 8) small.push(128, -129, 0x7fff, -0x8000);
    if (bits > 16) small.push(0x7fffffff, -0x80000000);
    return random.below(3) === 0 ? random.pick(small) : random.below(2 ** bits) - 2 ** (bits - 1);
  }

  private memory(): string {
    const { random } = this;
    const near = random.below(240) - 120;
    const far = random.below(2 * ARENA_REACH) - ARENA_REACH;
    const scale = random.pick([1, 2, 4, 8]);
    switch (random.below(12)) {
      case 9:
        return `%fs:${far}(%r15)`;
      case 10:
        return `arena + ${1024 + far}(%eip)`;
      case 11:
        return `${near}(%r15d,%r14d,${scale})`;
      case 0:
        return `${near}(%r15)`;
      case 1:
        return `${far}(%r15)`;
      case 2:
        return `${near}(%r15,%r14,${scale})`;
      case 3:
        return `arena + ${1024 + far}(,%r14,${scale})`;
      case 4:
        return `arena + ${1024 + far}`;
      case 5:
        return this.frame === 0 ? `${-128 + random.below(64)}(%rsp)` : `${random.below(this.frame - 128)}(%rsp)`;
      case 6:
        return "(%r15)";
      default:
        return `arena + ${1024 + far}(%rip)`;
    }
  }

  private alignedMemory(): string {
    const at = 16 * this.random.below(100);
    return this.random.pick([`${at - 512}(%r15)`, `arena + ${at}(%rip)`, `arena + ${at}`]);
  }
}

/**
 * `je 1f; lock; 1: ...` is glibc's way to do without a `lock` prefix. A signal may find a program at the prefix that natively has
 * jumped over it (docs/limits.md): there are none where that is looked at.
 */
const SKIP_LOCK = `
.macro skip_lock condition
.ifndef STEPPED
j\\condition 1f
.byte 0xf0
1:
.endif
.endm`;

/** Assembly text with `count` functions, for random-programs.S. */
function randomPrograms(seed: number, count: number, flags: ReadonlySet<string>): string {
  const random = new Random(seed);
  const extensions = templatesFor(flags);
  const leaves = Array.from({ length: 8 }, (_, i) => `leaf_${i}`);
  const names = Array.from({ length: count }, (_, i) => `program_${i}`);
  const quads = Array.from(
    { length: 256 + 1024 },
    () =>
      `0x${[0, 0]
        .map(() =>
          Math.floor(random.next() * 2 ** 32)
            .toString(16)
            .padStart(8, "0"),
        )
        .join("")}`,
  );
  return [
    SKIP_LOCK,
    ".text",
    "leaf_that_pops: .cfi_startproc",
    "xchg %rax, 8(%rsp)",
    "ret $16",
    ".cfi_endproc",
    ...leaves.map((name) => new FunctionMaker(random, name, extensions, []).make(1 + random.below(2))),
    ...names.map((name) => new FunctionMaker(random, name, extensions, leaves).make(1 + random.below(6))),
    ".section .rodata",
    ".globl function_table, function_count, seed",
    ".balign 8",
    "function_table:",
    ...names.map((name) => `.quad ${name}`),
    `function_count = ${count}`,
    "seed:",
    ...quads.map((quad) => `.quad ${quad}`),
    "",
  ].join("\n");
}

/**
 * Builds an executable of random programs in a directory.
 * @param options of the compiler: see random-programs.S
 */
export function buildRandomPrograms(
  directory: string,
  seed: number,
  count: number,
  options: readonly string[] = [],
): string {
  const flags = processorFlags();
  const source = join(directory, "functions.s");
  const program = join(directory, "random-programs");
  writeFileSync(source, randomPrograms(seed, count, flags));
  const runner = new URL("random-programs.S", import.meta.url).pathname;
  // FDEs say where functions are (src/engine/scan/unwind.ts); fixed addresses are the same in both runs.
  const linked = ["-nostdlib", "-static", "-no-pie", "-Wl,--eh-frame-hdr", "-Wl,--build-id=none", "-Wa,--no-warn"];
  const symbols = options.includes("-DSTEPPED") ? ["-Wa,--defsym,STEPPED=1"] : [];
  const defined = [`-DCHECKED_VECTORS=${vectorBytes(flags)}`, ...options, ...symbols];
  execFileSync("gcc", [...linked, ...defined, "-o", program, runner, source]);
  return program;
}
