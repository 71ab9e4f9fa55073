// What the statistics count. Each site is counted once, with its fate (patch/executable.ts adds to these).

/** Fates of a site. */
export const FATE_B1: u32 = 0;
export const FATE_B2: u32 = 1;
export const FATE_T1: u32 = 2;
export const FATE_T2: u32 = 3;
export const FATE_T3: u32 = 4;
/** B0: every execution costs a signal. */
export const FATE_TRAP: u32 = 5;
/** No tactic fits and no trap could be set: the kernel sees the call first, or the instruction's first byte must stay. */
export const FATE_UNPATCHED: u32 = 6;
/** Bytes of a `syscall` where there is evidence of data: left as they are. */
export const FATE_DOUBTFUL: u32 = 7;
/** An instruction that means something else in any other place. */
export const FATE_REFUSED: u32 = 7;
export const FATE_COUNT: u32 = 8;

/** Kinds of sites, each with its own fates: system calls, and instructions that match (patch/window.ts). */
export const CALLS: u32 = 0;
export const INSTRUCTIONS: u32 = FATE_COUNT;

const fates = memory.data(64, 8);

/** The name of a tactic that is a jump: FATE_B1 to FATE_T3. */
export function nameOfTactic(fate: u32): string {
  switch (fate) {
    case FATE_B1:
      return "B1";
    case FATE_B2:
      return "B2";
    case FATE_T1:
      return "T1";
    case FATE_T2:
      return "T2";
    default:
      return "T3";
  }
}

export function countFate(fate: u32): void {
  countFates(fate, 1);
}
export function countFates(fate: u32, count: u32): void {
  store<u32>(fates + (fate << 2), load<u32>(fates + (fate << 2)) + count);
}
/** How many system calls have a fate; `INSTRUCTIONS + fate`: how many instructions. */
export function fateCount(fate: u32): u32 {
  return load<u32>(fates + (fate << 2));
}
/** Sites of a kind that became jumps. */
export function jumpCount(kind: u32): u32 {
  let sum: u32 = 0;
  for (let fate = FATE_B1; fate <= FATE_T3; fate++) sum += fateCount(kind + fate);
  return sum;
}

/** Files whose instructions were left alone: they have no unwind table. */
export let filesWithoutTable: u32 = 0;
export function countFileWithoutTable(): void {
  filesWithoutTable += 1;
}

/** Functions with data in them, whose instructions were left alone. */
export let functionsWithData: u32 = 0;
export function countFunctionWithData(): void {
  functionsWithData += 1;
}

/** Bytes of code whose instructions were left alone, since there was no memory to plan them. */
export let unplannedBytes: u64 = 0;
export function countUnplanned(size: u64): void {
  unplannedBytes += size;
}

/** Traps of instructions that were executed, u64: threads add at once. */
const instructionTraps = memory.data(8, 8);
export function countInstructionTrap(): void {
  atomic.add<u64>(instructionTraps, 1);
}
export function executedInstructionTraps(): u64 {
  return atomic.load<u64>(instructionTraps);
}

/** `0f 05` that decoding shows to be inside another instruction; not a site. */
export let interiorCount: u32 = 0;
/** Executable mappings that were looked at. */
export let mappingCount: u32 = 0;
/** Bytes of executable mappings that were looked at. */
export let scannedBytes: u64 = 0;
/** Time spent on finding and patching, in nanoseconds. */
export let patchNanoseconds: u64 = 0;
/** Executable mappings that the program made without a file, or writable: nothing in them was looked at. */
export let unsearchedCount: u32 = 0;

export function countInterior(): void {
  interiorCount += 1;
}
export function countMapping(size: u64): void {
  mappingCount += 1;
  scannedBytes += size;
}
/** Bytes of split pages (jit/pages.ts) that were looked at. */
export function countSearched(size: u64): void {
  scannedBytes += size;
}

/** Split pages: made ready to run, written again, and given back to what the program asked for. */
export let pagesRun: u32 = 0;
export let pagesRewritten: u32 = 0;
export let pagesGivenBack: u32 = 0;
export function countRun(pages: u32): void {
  pagesRun += pages;
}
export function countRewritten(): void {
  pagesRewritten += 1;
}
export function countGivenBack(pages: u32): void {
  pagesGivenBack += pages;
}

export function countTime(nanoseconds: u64): void {
  patchNanoseconds += nanoseconds;
}
export function countUnsearched(): void {
  unsearchedCount += 1;
}

/** Sites that were patched when they were executed. */
export let provenCount: u32 = 0;
export function countProven(): void {
  provenCount += 1;
}
/** One site less has this fate. */
export function uncountFate(fate: u32): void {
  store<u32>(fates + (fate << 2), load<u32>(fates + (fate << 2)) - 1);
}

/** System calls that Syscall User Dispatch caught, u64: threads add at once. */
const dispatched = memory.data(8, 8);
export function countDispatched(): void {
  atomic.add<u64>(dispatched, 1);
}
export function dispatchedCount(): u64 {
  return atomic.load<u64>(dispatched);
}

/** System calls that came through the engine, u64: threads add at once. */
const calls = memory.data(8, 8);
export function countCall(): void {
  atomic.add<u64>(calls, 1);
}
export function callCount(): u64 {
  return atomic.load<u64>(calls);
}
