// The option or command that somebody may have meant who typed another: commander does the same for the commands in Node
// (lib/suggestSimilar.js), and the launcher reads the options of `run`, and names of programs, itself.
//
// The distance is Levenshtein's: how many bytes have to be put in, left out or changed.

/** The options of `run`, each with a space behind it; test/cli/launcher-command.test.ts compares them with src/cli/run.ts. */
const OPTIONS =
  "--stats --stats-file --hook --no-follow-exec --count-calls --count-sites --match --ring --perf-map --gdb-jit --only-traps --strict --exhaustive --no-fsgsbase --yield-gs --help ";
/** The commands, likewise; the same test compares them with src/cli/program.ts. */
const COMMANDS = "run trace count cover fault inspect doctor completion path help ";

const DISTANCE_MAX: u32 = 3;
const LENGTH_MAX: usize = 63;
/** One row of the distances' table: from the typed word's start so far to each start of the other. */
const row = memory.data(64);
const known = memory.data(64);
const best = memory.data(64);

function smaller(a: u32, b: u32): u32 {
  return a < b ? a : b;
}

/** The distance of two strings of at most LENGTH_MAX bytes. */
function distanceOf(typed: usize, typedLength: usize, other: usize, otherLength: usize): u32 {
  for (let j: usize = 0; j <= otherLength; j++) store<u8>(row + j, j as u8);
  for (let i: usize = 0; i < typedLength; i++) {
    // The table's cell to the upper left of the one that is being filled in.
    let diagonal: u32 = load<u8>(row);
    store<u8>(row, (i + 1) as u8);
    for (let j: usize = 0; j < otherLength; j++) {
      const above: u32 = load<u8>(row + j + 1);
      const changed = diagonal + (load<u8>(typed + i) == load<u8>(other + j) ? 0 : 1);
      store<u8>(row + j + 1, smaller(changed, smaller(above, load<u8>(row + j)) + 1) as u8);
      diagonal = above;
    }
  }
  return load<u8>(row + otherLength);
}

/** Gives the zero-terminated word of a list that is nearest to what was typed, or 0 when none is near. */
function similarWord(typed: usize, list: string): usize {
  let typedLength: usize = 0;
  while (load<u8>(typed + typedLength) != 0 && load<u8>(typed + typedLength) != 61) typedLength++;
  if (typedLength < 3 || typedLength > LENGTH_MAX) return 0;
  let bestDistance = DISTANCE_MAX + 1;
  let length: usize = 0;
  for (let i = 0; i < list.length; i++) {
    const byte = list.charCodeAt(i) as u8;
    if (byte != 32) {
      store<u8>(known + length++, byte);
      continue;
    }
    const distance = distanceOf(typed, typedLength, known, length);
    if (distance < bestDistance && distance * 2 < (length as u32)) {
      bestDistance = distance;
      memory.copy(best, known, length);
      store<u8>(best + length, 0);
    }
    length = 0;
  }
  return bestDistance <= DISTANCE_MAX ? best : 0;
}

/** For an option, with or without `=VALUE`: engine pointer of a zero-terminated string, or 0. */
export function similarOption(typed: usize): usize {
  return similarWord(typed, OPTIONS);
}

/** For the name of a program that there is not. */
export function similarCommand(typed: usize): usize {
  return similarWord(typed, COMMANDS);
}
