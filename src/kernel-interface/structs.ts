// Generated from structs.txt by tools/gen-kernel-interface.ts. Do not edit.

/** A struct a line: its name, size, C type, and its fields. */
export const structRows = `
timespec 16 struct timespec|tv_sec@0:i64 tv_nsec@8:u64
timeval 16 struct timeval|tv_sec@0:i64 tv_usec@8:u64
timezone 8 struct timezone|tz_minuteswest@0:i32 tz_dsttime@4:i32
itimerval 32 struct itimerval|it_interval@0:timeval it_value@16:timeval
itimerspec 32 struct itimerspec|it_interval@0:timespec it_value@16:timespec
utimbuf 16 struct utimbuf|actime@0:i64 modtime@8:i64
rlimit 16 struct rlimit|rlim_cur@0:limit rlim_max@8:limit
rusage 144 struct rusage|ru_utime@0:timeval ru_stime@16:timeval ... ru_maxrss@32:u64 ru_ixrss@40:u64 ru_idrss@48:u64 ru_isrss@56:u64 ru_minflt@64:u64 ru_majflt@72:u64 ru_nswap@80:u64 ru_inblock@88:u64 ru_oublock@96:u64 ru_msgsnd@104:u64 ru_msgrcv@112:u64 ru_nsignals@120:u64 ru_nvcsw@128:u64 ru_nivcsw@136:u64
tms 32 struct tms|tms_utime@0:ticks tms_stime@8:ticks tms_cutime@16:ticks tms_cstime@24:ticks
sysinfo 112 struct sysinfo|uptime@0:i64 loads@8:u64[3] totalram@32:u64 freeram@40:u64 sharedram@48:u64 bufferram@56:u64 totalswap@64:u64 freeswap@72:u64 procs@80:u16 totalhigh@88:u64 freehigh@96:u64 mem_unit@104:u32
utsname 390 struct utsname|sysname@0:char[65] nodename@65:char[65] ... release@130:char[65] version@195:char[65] machine@260:char[65] domainname@325:char[65]
statfs 120 struct statfs|f_type@0:filesystem_type/8 f_bsize@8:u64 f_blocks@16:u64 f_bfree@24:u64 f_bavail@32:u64 f_files@40:u64 f_ffree@48:u64 f_fsid@56:fsid f_namelen@64:u64 f_frsize@72:u64 f_flags@80:mount_state/8
fsid 8 __kernel_fsid_t|val@0:x32[2]
stack_t 24 stack_t|ss_sp@0:address ss_flags@8:signal_stack/4 ss_size@16:u64
epoll_event 12 struct epoll_event|events@0:epoll_events/4 data@4:epoll_data
epoll_data 8 epoll_data_t|u32@0:u32 u64@0:u64
sembuf 6 struct sembuf|sem_num@0:u16 sem_op@2:i16 sem_flg@4:sem_operation/2
mq_attr 64 struct mq_attr|mq_flags@0:queue_flags/8 mq_maxmsg@8:i64 mq_msgsize@16:i64 mq_curmsgs@24:i64
flock 32 struct flock|l_type@0:lock_type/2 l_whence@2:whence/2 l_start@8:i64 l_len@16:i64
owner 8 struct f_owner_ex|type@0:owner_type/4 pid@4:i32
winsize 8 struct winsize|ws_row@0:u16 ws_col@2:u16 ws_xpixel@4:u16 ws_ypixel@6:u16
linger 8 struct linger|l_onoff@0:i32 l_linger@4:i32
ucred 12 struct ucred|pid@0:i32 uid@4:i32 gid@8:i32
cap_header 8 struct __user_cap_header_struct|version@0:capability_version/4 pid@4:i32
io_event 32 struct io_event|data@0:x64 obj@8:x64 res@16:i64 res2@24:i64
landlock_ruleset_attr 8 struct landlock_ruleset_attr|handled_access_fs@0:landlock_access/8
landlock_rule_attr 12 struct landlock_path_beneath_attr|allowed_access@0:landlock_access/8 parent_fd@8:i32
futex_waitv 24 struct futex_waitv|val@0:x64 uaddr@8:address flags@16:futex_flags/4 ?__reserved@20:x32
cachestat_range 16|off@0:u64 len@8:u64
cachestat 40|nr_cache@0:u64 nr_dirty@8:u64 nr_writeback@16:u64 nr_evicted@24:u64 nr_recently_evicted@32:u64
mount_attr 32 struct mount_attr|attr_set@0:mount_attributes64/8 attr_clr@8:mount_attributes64/8 propagation@16:mount_flags/8 userns_fd@24:u64
open_how 24 struct open_how|flags@0:open64/8 ?mode@8:mode64 resolve@16:resolve/8
xattr_args 16|value@0:address size@8:u32 flags@12:xattr/4
file_attr 24|fa_xflags@0:x64 fa_extsize@8:u32 fa_nextents@12:u32 fa_projid@16:u32 fa_cowextsize@20:u32
`;
