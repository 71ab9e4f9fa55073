// Error numbers as the kernel returns them: include/uapi/asm-generic/errno-base.h and errno.h.

export const EPERM: i64 = 1;
export const ENOENT: i64 = 2;
export const ESRCH: i64 = 3;
export const EINTR: i64 = 4;
export const EIO: i64 = 5;
export const E2BIG: i64 = 7;
export const ENOEXEC: i64 = 8;
export const EAGAIN: i64 = 11;
export const ENOMEM: i64 = 12;
export const EACCES: i64 = 13;
export const EFAULT: i64 = 14;
export const EEXIST: i64 = 17;
export const ENOTDIR: i64 = 20;
export const EISDIR: i64 = 21;
export const EINVAL: i64 = 22;
export const ENFILE: i64 = 23;
export const EMFILE: i64 = 24;
export const ETXTBSY: i64 = 26;
export const ENAMETOOLONG: i64 = 36;
export const ENOSYS: i64 = 38;
export const ELOOP: i64 = 40;
export const ELIBBAD: i64 = 80;
export const EOPNOTSUPP: i64 = 95;
export const ETIMEDOUT: i64 = 110;
