// The option that somebody may have meant who typed another: commander does the same for the commands in Node
// (lib/suggestSimilar.js), and the launcher reads the options of `run` itself.
//
// The distance is Levenshtein's: how many bytes have to be put in, left out or changed.

/** The options of `run`, each with a space behind it; test/cli/launcher-command.test.ts compares them with src/cli/run.ts. */
const OPTIONS = "--stats --stats-file --no-follow-exec --count-calls --only-traps --strict --help ";

const DISTANCE_MAX: u32 = 3;
const LENGTH_MAX: usize = 63;
/** One row of the distances' table: from each start of the option to the start of the word so far. */
const row = memory.data(64);
const option = memory.data(64);
const best = memory.data(64);

function smaller(a: u32, b: u32): u32 {
  return a < b ? a : b;
}

/** The distance of two strings of at most LENGTH_MAX bytes, the first zero-terminated. */
function distanceOf(typed: usize, typedLength: usize, known: usize, knownLength: usize): u32 {
  for (let j: usize = 0; j <= knownLength; j++) store<u8>(row + j, j as u8);
  for (let i: usize = 0; i < typedLength; i++) {
    // The table's cell to the upper left of the one that is being filled in.
    let diagonal: u32 = load<u8>(row);
    store<u8>(row, (i + 1) as u8);
    for (let j: usize = 0; j < knownLength; j++) {
      const above: u32 = load<u8>(row + j + 1);
      const changed = diagonal + (load<u8>(typed + i) == load<u8>(known + j) ? 0 : 1);
      store<u8>(row + j + 1, smaller(changed, smaller(above, load<u8>(row + j)) + 1) as u8);
      diagonal = above;
    }
  }
  return load<u8>(row + knownLength);
}

/** Gives the zero-terminated option that is nearest to what was typed, or 0 when none is near. */
export function similarOption(typed: usize): usize {
  let typedLength: usize = 0;
  while (load<u8>(typed + typedLength) != 0 && load<u8>(typed + typedLength) != 61) typedLength++;
  if (typedLength < 4 || typedLength > LENGTH_MAX) return 0;
  let bestDistance = DISTANCE_MAX + 1;
  let length: usize = 0;
  for (let i = 0; i < OPTIONS.length; i++) {
    const byte = OPTIONS.charCodeAt(i) as u8;
    if (byte != 32) {
      store<u8>(option + length++, byte);
      continue;
    }
    const distance = distanceOf(typed, typedLength, option, length);
    if (distance < bestDistance && distance * 2 < (length as u32)) {
      bestDistance = distance;
      memory.copy(best, option, length);
      store<u8>(best + length, 0);
    }
    length = 0;
  }
  return bestDistance <= DISTANCE_MAX ? best : 0;
}
