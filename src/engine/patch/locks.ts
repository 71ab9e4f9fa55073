// One lock byte for each byte of a cluster's code: what may still happen to that byte.
//
// Sites are patched back to front. A jump that is punned into the bytes after it depends on their values, so once it is
// there nobody may change them (DEPENDED); bytes that a patch wrote are final too (WRITTEN), but may be punned into again,
// since their values are known. The bytes of a site whose turn has not come, or that no tactic fits, still change or are
// overwritten by a trap: they are neither victims nor puns (PENDING). A caller marks bytes that must never be touched
// as WRITTEN: their values are final.

/** The byte is as the program had it and may be changed. */
export const LOCK_FREE: u8 = 0;
/** A patch wrote the byte. */
export const LOCK_WRITTEN: u8 = 1;
/** A pun needs the byte's value, which is the program's own. */
export const LOCK_DEPENDED: u8 = 2;
/** The byte belongs to a site that is not patched yet, or that is left to a trap. */
export const LOCK_PENDING: u8 = 4;
/** The byte is filling behind an instruction that never goes on: nobody executes it, and it may become a part of that one's jump. */
export const LOCK_FILLING: u8 = 8;

/** All lock bits of `size` bytes together. */
export function locksOf(locks: usize, offset: u32, size: u32): u8 {
  let bits: u8 = 0;
  for (let i = offset; i < offset + size; i++) bits |= load<u8>(locks + i);
  return bits;
}

/** Adds a lock bit to `size` bytes. */
export function lock(locks: usize, offset: u32, size: u32, bit: u8): void {
  for (let i = offset; i < offset + size; i++) store<u8>(locks + i, load<u8>(locks + i) | bit);
}

/** Takes a lock bit off `size` bytes. */
export function unlock(locks: usize, offset: u32, size: u32, bit: u8): void {
  for (let i = offset; i < offset + size; i++) store<u8>(locks + i, load<u8>(locks + i) & ~bit);
}
