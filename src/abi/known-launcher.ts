// What the launcher finds in the cache instead of asking Node: which launcher an earlier question got, and what that was
// made from. src/host/hook/known-launcher.ts writes it, src/engine/load/known-launcher.ts reads it.
//
//   $XDG_CACHE_HOME/flicker/known/<FNV-1a of the question, 16 digits>
//
//   0   u32 "FKN1"
//   4   u32 bytes of the question
//   8   u32 number of files
//   12  the question: strings with a zero behind each: bin/flicker's path, the expression ("" for none), and with hooks
//       the current folder and each hook's name as it was given
//       for each file or folder: inode, size, mtime and ctime in nanoseconds (u64 each, all 0: it must not exist), u16
//       bytes of its path with the zero behind it, the path. The first is the launcher.
//
// The numbers are those of stat(2), as git's index and make trust them: whoever changes a file cannot set its ctime.

export const KNOWN_MAGIC: u32 = 0x314e4b46;
export const KNOWN_HEADER_SIZE: u32 = 12;
export const KNOWN_STATUS_SIZE: u32 = 34;
/** A longer question is Node's each time. */
export const KNOWN_QUESTION_MAX: u32 = 8192;
