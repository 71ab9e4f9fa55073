// struct stat of AMD64: arch/x86/include/uapi/asm/stat.h.

/** Its size in bytes. */
export const STAT_SIZEOF: usize = 144;
/** Offsets of its fields: st_dev to st_size, and the pairs of seconds and nanoseconds st_mtime and st_ctime. */
export const STAT_DEVICE: usize = 0;
export const STAT_INODE: usize = 8;
export const STAT_MODE: usize = 24;
export const STAT_USER: usize = 28;
export const STAT_GROUP: usize = 32;
export const STAT_SIZE: usize = 48;
export const STAT_MODIFIED: usize = 88;
export const STAT_CHANGED: usize = 104;
