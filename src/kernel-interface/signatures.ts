// Generated from signatures.txt and src/engine/kernel/syscalls.txt by tools/gen-kernel-interface.ts. Do not edit.

/** A call a line: its number, name, classes, result, and its arguments. */
export const signatureRows = `
0 read desc int fd:fd >buf:bytes[^2] count:ulong
1 write desc int fd:fd <buf:bytes[2] count:ulong
2 open desc,file fd <filename:path flags:open mode:mode
3 close desc int fd:fd
4 stat file,stat,%stat int <filename:path >statbuf:stat
5 fstat desc,fstat,%stat int fd:fd >statbuf:stat
6 lstat file,lstat,%stat int <filename:path >statbuf:stat
7 poll desc ready =ufds:pollfds[1] nfds:uint timeout_msecs:int
8 lseek desc long fd:fd offset:long whence:whence
9 mmap desc,memory address addr:address len:ulong prot:protection flags:map fd:fd off:hex64
10 mprotect memory int start:address len:ulong prot:protection
11 munmap memory int addr:address len:ulong
12 brk memory address brk:address
13 rt_sigaction signal int sig:signal <act:sigaction >oact:sigaction sigsetsize:ulong
14 rt_sigprocmask signal int how:mask_how <nset:sigset[3] >oset:sigset[3] sigsetsize:ulong
15 rt_sigreturn signal none
16 ioctl desc int fd:fd cmd:ioctl_command =arg:ioctl
17 pread64 desc int fd:fd >buf:bytes[^2] count:ulong pos:long
18 pwrite64 desc int fd:fd <buf:bytes[2] count:ulong pos:long
19 readv desc int fd:fd >>vec:iovec[2^] vlen:ulong
20 writev desc int fd:fd <vec:iovec[2] vlen:ulong
21 access file int <filename:path mode:access_mode
22 pipe desc int >fildes:fd[=2]
23 select desc ready n:int =inp:fd_set =outp:fd_set =exp:fd_set =tvp:timeval
24 sched_yield - int
25 mremap memory address addr:address old_len:ulong new_len:ulong flags:mremap new_addr:hex64
26 msync memory int start:address len:ulong flags:msync
27 mincore memory int start:address len:ulong >vec:vector
28 madvise memory int start:address len_in:ulong behavior:madvise
29 shmget ipc int key:key_t size:ulong shmflg:shm
30 shmat memory,ipc address shmid:int shmaddr:address shmflg:shmat
31 shmctl ipc int shmid:int cmd:shm_command =buf:shmctl
32 dup desc fd fildes:fd
33 dup2 desc fd oldfd:fd newfd:fd
34 pause signal int
35 nanosleep - int <rqtp:timespec >rmtp:timespec!
36 getitimer - int which:itimer >value:itimerval
37 alarm - int seconds:uint
38 setitimer - int which:itimer <value:itimerval >ovalue:itimerval
39 getpid pure pid
40 sendfile desc,network int out_fd:fd in_fd:fd =offset:long count:ulong
41 socket network fd family:address_family type:socket_type_flags protocol:protocol
42 connect network int fd:fd <uservaddr:sockaddr[2] addrlen:int
43 accept network fd fd:fd >upeer_sockaddr:sockaddr[*2] =upeer_addrlen:length
44 sendto network int fd:fd <buff:bytes[2] len:ulong flags:message_flags <addr:sockaddr[5] addr_len:int
45 recvfrom network int fd:fd >ubuf:bytes[^2] size:ulong flags:message_flags >addr:sockaddr[*5] =addr_len:length
46 sendmsg network int fd:fd <msg:msghdr flags:message_flags
47 recvmsg network int fd:fd >>msg:msghdr flags:message_flags
48 shutdown network int fd:fd how:shutdown
49 bind network int fd:fd <umyaddr:sockaddr[2] addrlen:int
50 listen network int fd:fd backlog:int
51 getsockname network int fd:fd >usockaddr:sockaddr[*2] =usockaddr_len:length
52 getpeername network int fd:fd >usockaddr:sockaddr[*2] =usockaddr_len:length
53 socketpair network int family:address_family type:socket_type_flags protocol:int >usockvec:fd[=2]
54 setsockopt network int fd:fd level:socket_level optname:socket_option_name <optval:socket_option_value[4] optlen:int
55 getsockopt network int fd:fd level:socket_level optname:socket_option_name >optval:socket_option_value[*4] =optlen:length
56 clone process int clone_flags:clone_flags newsp:address >parent_tidptr:int >child_tidptr:int tls:address
57 fork process int
58 vfork process int
59 execve file,process int <filename:path <argv:strings <envp:environment
60 exit process none error_code:int
61 wait4 process int upid:pid >stat_addr:wait_status options:wait_options >ru:rusage
62 kill process,signal int pid:pid sig:signal
63 uname - int >name:utsname
64 semget ipc int key:key_t nsems:int semflg:ipc
65 semop ipc int semid:int <tsops:sembuf[2] nsops:uint
66 semctl ipc int semid:int semnum:int cmd:sem_command =arg:semctl
67 shmdt memory,ipc int shmaddr:address
68 msgget ipc int key:key_t msgflg:ipc
69 msgsnd ipc int msqid:int <msgp:message[2] msgsz:ulong msgflg:msg_flags
70 msgrcv ipc int msqid:int >msgp:message[^2] msgsz:ulong msgtyp:long msgflg:msg_flags
71 msgctl ipc int msqid:int cmd:msg_command =buf:msgctl
72 fcntl desc fcntl fd:fd cmd:fcntl_command =arg:fcntl
73 flock desc int fd:fd cmd:flock
74 fsync desc int fd:fd
75 fdatasync desc int fd:fd
76 truncate file int <path:path length:ulong
77 ftruncate desc int fd:fd length:ulong
78 getdents desc int fd:fd >dirent:entries[^2] count:uint
79 getcwd file int >buf:cwd[^1] size:ulong
80 chdir file int <filename:path
81 fchdir desc int fd:fd
82 rename file int <oldname:path <newname:path
83 mkdir file int <pathname:path mode:mode
84 rmdir file int <pathname:path
85 creat desc,file fd <pathname:path mode:mode
86 link file int <oldname:path <newname:path
87 unlink file int <pathname:path
88 symlink file int <oldname:path <newname:path
89 readlink file int <path:path >buf:bytes[^2] bufsiz:ulong
90 chmod file int <filename:path mode:mode
91 fchmod desc int fd:fd mode:mode
92 chown file int <filename:path user:uid group:uid
93 fchown desc int fd:fd user:uid group:uid
94 lchown file int <filename:path user:uid group:uid
95 umask - mode mask:mode
96 gettimeofday clock int >tv:timeval >tz:timezone
97 getrlimit - int resource:resource >rlim:rlimit
98 getrusage - int who:usage_who >ru:rusage
99 sysinfo - int >info:sysinfo
100 times - long >tbuf:tms
101 ptrace - int request:ptrace pid:pid addr:hex64 =data:ptrace_data
102 getuid creds,pure int
103 syslog - int type:syslog >buf:bytes[^2] len:int
104 getgid creds,pure int
105 setuid creds int uid:uid
106 setgid creds int gid:uid
107 geteuid creds,pure int
108 getegid creds,pure int
109 setpgid - int pid:pid pgid:pid
110 getppid pure int
111 getpgrp pure int
112 setsid - int
113 setreuid creds int ruid:uid euid:uid
114 setregid creds int rgid:uid egid:uid
115 getgroups creds int gidsetsize:int >grouplist:uid[^0]
116 setgroups creds int gidsetsize:int <grouplist:uid[0]
117 setresuid creds int ruid:uid euid:uid suid:uid
118 getresuid creds int >ruidp:uid >euidp:uid >suidp:uid
119 setresgid creds int rgid:uid egid:uid sgid:uid
120 getresgid creds int >rgidp:uid >egidp:uid >sgidp:uid
121 getpgid - int pid:pid
122 setfsuid creds int uid:uid
123 setfsgid creds int gid:uid
124 getsid - int pid:pid
125 capget creds int =header:cap_header >dataptr:cap_data
126 capset creds int =header:cap_header <dataptr:cap_data
127 rt_sigpending signal int >uset:sigset[1] sigsetsize:ulong
128 rt_sigtimedwait signal int <uthese:sigset[3] >uinfo:siginfo <uts:timespec sigsetsize:ulong
129 rt_sigqueueinfo process,signal int pid:pid sig:signal <uinfo:siginfo
130 rt_sigsuspend signal int <unewset:sigset[1] sigsetsize:ulong
131 sigaltstack signal int <uss:stack_t >uoss:stack_t
132 utime file int <filename:path <times:utimbuf
133 mknod file int <filename:path mode:file_mode dev:dev
134 uselib file int
135 personality - personality_value personality:personality_value
136 ustat %statfs int dev:dev >ubuf:opaque
137 statfs file,statfs,%statfs int <pathname:path >buf:statfs
138 fstatfs desc,fstatfs,%statfs int fd:fd >buf:statfs
139 sysfs - int option:hex64 arg1:hex64 arg2:hex64
140 getpriority - int which:priority_which who:int
141 setpriority - int which:priority_which who:int niceval:int
142 sched_setparam - int pid:pid <param:int
143 sched_getparam - int pid:pid >param:int
144 sched_setscheduler - int pid:pid policy:policy <param:int
145 sched_getscheduler - policy pid:pid
146 sched_get_priority_max - int policy:policy
147 sched_get_priority_min - int policy:policy
148 sched_rr_get_interval - int pid:pid >interval:timespec
149 mlock memory int start:address len:ulong
150 munlock memory int start:address len:ulong
151 mlockall memory int flags:mlockall
152 munlockall memory int
153 vhangup - int
154 modify_ldt - int func:int =ptr:opaque bytecount:ulong
155 pivot_root file int <new_root:path <put_old:path
156 _sysctl - int
157 prctl creds prctl option:prctl =arg2:prctl_argument =arg3:prctl_argument =arg4:prctl_argument =arg5:prctl_argument
158 arch_prctl - int option:arch_prctl =arg2:arch_prctl_argument
159 adjtimex clock clock_state =txc_p:timex
160 setrlimit - int resource:resource <rlim:rlimit
161 chroot file int <filename:path
162 sync - int
163 acct file int <name:path
164 settimeofday clock int <tv:timeval <tz:timezone
165 mount file int <dev_name:path <dir_name:path <type:string flags:mount_flags <data:string
166 umount2 file int <name:path flags:umount
167 swapon file int <specialfile:path swap_flags:swap_flags
168 swapoff file int <specialfile:path
169 reboot - int magic1:reboot_magic1 magic2:reboot_magic2 cmd:reboot_command <arg:string
170 sethostname - int <name:bytes[1] len:uint
171 setdomainname - int <name:bytes[1] len:uint
172 iopl - int level:int
173 ioperm - int from:hex64 num:hex64 turn_on:int
174 create_module - int
175 init_module - int <umod:opaque len:ulong <uargs:string
176 delete_module - int <name_user:string flags:delete_module
177 get_kernel_syms - int
178 query_module - int
179 quotactl file int cmd:quota_command <special:path id:int =addr:opaque
180 nfsservctl - int
181 getpmsg network int
182 putpmsg network int
183 afs_syscall - int
184 tuxcall - int
185 security - int
186 gettid pure int
187 readahead desc int fd:fd offset:long count:ulong
188 setxattr file int <pathname:path <name:string <value:bytes[3] size:ulong flags:xattr
189 lsetxattr file int <pathname:path <name:string <value:bytes[3] size:ulong flags:xattr
190 fsetxattr desc int fd:fd <name:string <value:bytes[3] size:ulong flags:xattr
191 getxattr file int <pathname:path <name:string >value:bytes[^3] size:ulong
192 lgetxattr file int <pathname:path <name:string >value:bytes[^3] size:ulong
193 fgetxattr desc int fd:fd <name:string >value:bytes[^3] size:ulong
194 listxattr file int <pathname:path >list:bytes[^2] size:ulong
195 llistxattr file int <pathname:path >list:bytes[^2] size:ulong
196 flistxattr desc int fd:fd >list:bytes[^2] size:ulong
197 removexattr file int <pathname:path <name:string
198 lremovexattr file int <pathname:path <name:string
199 fremovexattr desc int fd:fd <name:string
200 tkill process,signal int pid:pid sig:signal
201 time clock int >tloc:long
202 futex - int =uaddr:address op:futex_op val:uint =utime:futex_timeout =uaddr2:address val3:hex32
203 sched_setaffinity - int pid:pid len:uint <user_mask_ptr:cpu_set[1]
204 sched_getaffinity - int pid:pid len:uint >user_mask_ptr:cpu_set[^1]
205 set_thread_area - int
206 io_setup memory int nr_events:uint =ctxp:pointer
207 io_destroy memory int ctx:address
208 io_getevents - int ctx_id:address min_nr:long nr:long >events:io_event[^2] <timeout:timespec
209 io_submit - int ctx_id:address nr:long >>iocbpp:opaque
210 io_cancel - int ctx_id:address <iocb:opaque >result:opaque
211 get_thread_area - int
212 lookup_dcookie - int
213 epoll_create desc fd size:int
214 epoll_ctl_old - int
215 epoll_wait_old - int
216 remap_file_pages memory int start:address size:ulong prot:protection pgoff:ulong flags:map
217 getdents64 desc int fd:fd >dirent:entries[^2] count:uint
218 set_tid_address - int >tidptr:raw
219 restart_syscall - int
220 semtimedop ipc int semid:int <tsops:sembuf[2] nsops:uint <timeout:timespec
221 fadvise64 desc int fd:fd offset:long len:ulong advice:fadvise
222 timer_create - int which_clock:clock <timer_event_spec:sigevent >created_timer_id:int
223 timer_settime - int timer_id:int flags:timer_flags <new_setting:itimerspec >old_setting:itimerspec
224 timer_gettime - int timer_id:int >setting:itimerspec
225 timer_getoverrun - int timer_id:int
226 timer_delete - int timer_id:int
227 clock_settime clock int which_clock:clock <tp:timespec
228 clock_gettime clock int which_clock:clock >tp:timespec
229 clock_getres clock int which_clock:clock >tp:timespec
230 clock_nanosleep - int which_clock:clock flags:timer_flags <rqtp:timespec >rmtp:timespec!
231 exit_group process none error_code:int
232 epoll_wait desc int epfd:fd >events:epoll_event[^2] maxevents:int timeout:int
233 epoll_ctl desc int epfd:fd op:epoll_operation fd:fd <event:epoll_event
234 tgkill process,signal int tgid:pid pid:pid sig:signal
235 utimes file int <filename:path <utimes:timevals
236 vserver - int
237 mbind memory int start:address len:ulong mode:memory_policy_mode <nmask:node_mask maxnode:ulong flags:memory_policy_move
238 set_mempolicy memory int mode:memory_policy <nmask:node_mask maxnode:ulong
239 get_mempolicy memory int >policy:memory_policy >nmask:node_mask maxnode:ulong addr:address flags:get_policy
240 mq_open desc fd <u_name:path oflag:open mode:mode <u_attr:mq_attr
241 mq_unlink - int <u_name:path
242 mq_timedsend desc int mqdes:fd <u_msg_ptr:bytes[2] msg_len:ulong msg_prio:uint <u_abs_timeout:timespec
243 mq_timedreceive desc int mqdes:fd >u_msg_ptr:bytes[^2] msg_len:ulong >u_msg_prio:uint <u_abs_timeout:timespec
244 mq_notify desc int mqdes:fd <u_notification:sigevent
245 mq_getsetattr desc int mqdes:fd <u_mqstat:mq_attr >u_omqstat:mq_attr
246 kexec_load - int entry:address nr_segments:ulong <segments:opaque flags:kexec
247 waitid process int which:id_type upid:pid >infop:siginfo options:wait_options >ru:rusage
248 add_key - int <_type:string <_description:string <_payload:bytes[3] plen:ulong ringid:key
249 request_key - int <_type:string <_description:string <_callout_info:string destringid:key
250 keyctl - keyctl option:keyctl =arg2:raw =arg3:raw =arg4:raw =arg5:raw
251 ioprio_set - int which:ioprio_who who:int ioprio:ioprio
252 ioprio_get - ioprio which:ioprio_who who:int
253 inotify_init desc fd
254 inotify_add_watch desc,file int fd:fd <pathname:path mask:inotify_mask
255 inotify_rm_watch desc int fd:fd wd:int
256 migrate_pages memory int pid:pid maxnode:ulong <old_nodes:node_mask <new_nodes:node_mask
257 openat desc,file fd dfd:dirfd <filename:path flags:open mode:mode
258 mkdirat desc,file int dfd:dirfd <pathname:path mode:mode
259 mknodat desc,file int dfd:dirfd <filename:path mode:file_mode dev:dev
260 fchownat desc,file int dfd:dirfd <filename:path user:uid group:uid flag:at_flags
261 futimesat desc,file int dfd:dirfd <filename:path <utimes:timevals
262 newfstatat desc,file,fstat,%stat int dfd:dirfd <filename:path >statbuf:stat flag:at_flags
263 unlinkat desc,file int dfd:dirfd <pathname:path flag:at_flags
264 renameat desc,file int olddfd:dirfd <oldname:path newdfd:dirfd <newname:path
265 linkat desc,file int olddfd:dirfd <oldname:path newdfd:dirfd <newname:path flags:at_link
266 symlinkat desc,file int <oldname:path newdfd:dirfd <newname:path
267 readlinkat desc,file int dfd:dirfd <pathname:path >buf:bytes[^3] bufsiz:ulong
268 fchmodat desc,file int dfd:dirfd <filename:path mode:mode
269 faccessat desc,file int dfd:dirfd <filename:path mode:access_mode
270 pselect6 desc ready n:int =inp:fd_set =outp:fd_set =exp:fd_set =tsp:timespec <sig:sigset_argument
271 ppoll desc ready =ufds:pollfds[1] nfds:uint =tsp:timespec <sigmask:sigset[4] sigsetsize:ulong
272 unshare - int unshare_flags:unshare
273 set_robust_list - int =head:address len:ulong
274 get_robust_list - int pid:pid >head_ptr:pointer >len_ptr:ulong
275 splice desc int fd_in:fd =off_in:long fd_out:fd =off_out:long len:ulong flags:splice
276 tee desc int fdin:fd fdout:fd len:ulong flags:splice
277 sync_file_range desc int fd:fd offset:long nbytes:long flags:sync_range
278 vmsplice desc int fd:fd >>uiov:iovec[2] nr_segs:ulong flags:splice
279 move_pages memory int pid:pid nr_pages:ulong <pages:pointer[1] <nodes:int[1] >status:int[1] flags:move_pages
280 utimensat desc,file int dfd:dirfd <filename:path <utimes:timespecs flags:at_flags
281 epoll_pwait desc int epfd:fd >events:epoll_event[^2] maxevents:int timeout:int <sigmask:sigset[5] sigsetsize:ulong
282 signalfd desc,signal fd ufd:fd <user_mask:sigset[2] sizemask:ulong
283 timerfd_create desc fd clockid:clock flags:timerfd
284 eventfd desc fd count:uint
285 fallocate desc int fd:fd mode:fallocate offset:long len:long
286 timerfd_settime desc int ufd:fd flags:timerfd <utmr:itimerspec >otmr:itimerspec
287 timerfd_gettime desc int ufd:fd >otmr:itimerspec
288 accept4 network fd fd:fd >upeer_sockaddr:sockaddr[*2] =upeer_addrlen:length flags:accept_flags
289 signalfd4 desc,signal fd ufd:fd <user_mask:sigset[2] sizemask:ulong flags:signalfd
290 eventfd2 desc fd count:uint flags:eventfd
291 epoll_create1 desc fd flags:epoll_create
292 dup3 desc fd oldfd:fd newfd:fd flags:open_flags
293 pipe2 desc int >fildes:fd[=2] flags:open_flags
294 inotify_init1 desc fd flags:inotify_flags
295 preadv desc int fd:fd >>vec:iovec[2^] vlen:ulong pos_l:long pos_h:unshown
296 pwritev desc int fd:fd <vec:iovec[2] vlen:ulong pos_l:long pos_h:unshown
297 rt_tgsigqueueinfo process,signal int tgid:pid pid:pid sig:signal <uinfo:siginfo
298 perf_event_open desc fd =attr_uptr:perf_event_attr pid:pid cpu:int group_fd:fd flags:perf_open
299 recvmmsg network int fd:fd >>mmsg:mmsghdr[2] vlen:uint flags:message_flags =timeout:timespec
300 fanotify_init desc fd flags:fanotify_init event_f_flags:open
301 fanotify_mark desc,file int fanotify_fd:fd flags:fanotify_mark mask:fanotify_mask dfd:dirfd <pathname:path
302 prlimit64 - int pid:pid resource:resource <new_rlim:rlimit >old_rlim:rlimit
303 name_to_handle_at desc,file int dfd:dirfd <name:path =handle:file_handle >mnt_id:int flag:at_follow
304 open_by_handle_at desc fd mountdirfd:dirfd <handle:file_handle flags:open
305 clock_adjtime clock clock_state which_clock:clock =utx:timex
306 syncfs desc int fd:fd
307 sendmmsg network int fd:fd =mmsg:mmsghdr[2] vlen:uint flags:message_flags
308 setns desc int fd:fd flags:namespaces
309 getcpu - int >cpup:uint >nodep:uint unused:address
310 process_vm_readv - int pid:pid >>lvec:iovec[2^] liovcnt:ulong <rvec:iovec_addresses[4] riovcnt:ulong flags:ulong
311 process_vm_writev - int pid:pid <lvec:iovec[2] liovcnt:ulong <rvec:iovec_addresses[4] riovcnt:ulong flags:ulong
312 kcmp - int pid1:pid pid2:pid type:kcmp idx1:hex64 idx2:hex64
313 finit_module desc int fd:fd <uargs:string flags:init_module
314 sched_setattr - int pid:pid <uattr:sched_attr flags:uint
315 sched_getattr - int pid:pid >uattr:sched_attr usize:uint flags:uint
316 renameat2 desc,file int olddfd:dirfd <oldname:path newdfd:dirfd <newname:path flags:rename
317 seccomp - int op:seccomp flags:hex32 =uargs:seccomp_argument
318 getrandom - int >ubuf:random[^1] len:ulong flags:getrandom
319 memfd_create desc fd <uname:string flags:memfd_flags
320 kexec_file_load desc int kernel_fd:fd initrd_fd:fd cmdline_len:ulong <cmdline:bytes[2] flags:kexec_file
321 bpf desc int cmd:bpf =uattr:opaque size:uint
322 execveat desc,file,process int fd:fd <filename:path <argv:strings <envp:environment flags:at_flags
323 userfaultfd desc fd flags:userfaultfd
324 membarrier - int cmd:membarrier flags:membarrier_flags cpu_id:int
325 mlock2 memory int start:address len:ulong flags:mlock2
326 copy_file_range desc int fd_in:fd =off_in:long fd_out:fd =off_out:long len:ulong flags:uint
327 preadv2 desc int fd:fd >>vec:iovec[2^] vlen:ulong pos_l:long pos_h:unshown flags:io_flags
328 pwritev2 desc int fd:fd <vec:iovec[2] vlen:ulong pos_l:long pos_h:unshown flags:io_flags
329 pkey_mprotect memory int start:address len:ulong prot:protection pkey:int
330 pkey_alloc - int flags:hex64 init_val:pkey_rights
331 pkey_free - int pkey:int
332 statx desc,file,fstat,%stat int dfd:dirfd <filename:path flags:statx_flags mask:statx_mask >buffer:statx
333 io_pgetevents - int ctx_id:address min_nr:long nr:long >events:io_event[^2] <timeout:timespec <usig:sigset_argument
334 rseq - int =rseq:raw rseq_len:hex64 flags:hex64 sig:hex64
335 uretprobe - int
336 uprobe - int
424 pidfd_send_signal desc,process,signal int pidfd:fd sig:signal <info:siginfo flags:hex32
425 io_uring_setup desc fd entries:uint =params:io_uring_params
426 io_uring_enter desc,signal int fd:fd to_submit:uint min_complete:uint flags:io_uring_enter <argp:address argsz:ulong
427 io_uring_register desc,memory int fd:fd opcode:io_uring_register =arg:opaque nr_args:uint
428 open_tree desc,file fd dfd:dirfd <filename:path flags:open_tree
429 move_mount desc,file int from_dfd:dirfd <from_pathname:path to_dfd:dirfd <to_pathname:path flags:move_mount
430 fsopen desc fd <_fs_name:string flags:fsopen
431 fsconfig desc,file int fd:fd cmd:fsconfig <_key:string <_value:fsconfig_value aux:int
432 fsmount desc fd fs_fd:fd flags:fsmount attr_flags:mount_attributes
433 fspick desc,file fd dfd:dirfd <path:path flags:fspick
434 pidfd_open desc fd pid:pid flags:pidfd
435 clone3 process int <uargs:clone_args size:ulong
436 close_range - int fd:uint max_fd:uint flags:close_range
437 openat2 desc,file fd dfd:dirfd <filename:path <how:open_how usize:ulong
438 pidfd_getfd desc fd pidfd:fd fd:fd flags:hex32
439 faccessat2 desc,file int dfd:dirfd <filename:path mode:access_mode flags:at_access
440 process_madvise desc int pidfd:fd <vec:iovec_addresses[2] vlen:ulong behavior:madvise flags:hex32
441 epoll_pwait2 desc int epfd:fd >events:epoll_event[^2] maxevents:int <timeout:timespec <sigmask:sigset[5] sigsetsize:ulong
442 mount_setattr desc,file int dfd:dirfd <path:path flags:at_mount <uattr:mount_attr usize:ulong
443 quotactl_fd desc int fd:fd cmd:quota_command id:int =addr:opaque
444 landlock_create_ruleset desc fd <attr:landlock_ruleset_attr size:ulong flags:landlock_create
445 landlock_add_rule desc int ruleset_fd:fd rule_type:landlock_rule <rule_attr:landlock_rule_attr flags:hex32
446 landlock_restrict_self desc int ruleset_fd:fd flags:hex32
447 memfd_secret desc fd flags:memfd_secret
448 process_mrelease desc int pidfd:fd flags:hex32
449 futex_waitv - int <waiters:futex_waitv[1] nr_futexes:uint flags:hex32 <timeout:timespec clockid:clock
450 set_mempolicy_home_node memory int start:address len:ulong home_node:ulong flags:hex64
451 cachestat desc int fd:fd <cstat_range:cachestat_range >cstat:cachestat flags:uint
452 fchmodat2 desc,file int dfd:dirfd <filename:path mode:mode flags:at_flags
453 map_shadow_stack memory int addr:address size:ulong flags:uint
454 futex_wake - int =uaddr:address mask:hex64 nr:int flags:futex2
455 futex_wait - int =uaddr:address val:hex64 mask:hex64 flags:futex2 <timeout:timespec clockid:clock
456 futex_requeue - int <waiters:futex_waitv[=2] flags:hex32 nr_wake:int nr_requeue:int
457 statmount - int <req:opaque >buf:opaque bufsize:ulong flags:hex32
458 listmount - int <req:opaque >mnt_ids:hex64[^2] nr_mnt_ids:ulong flags:hex32
459 lsm_get_self_attr - int attr:uint >ctx:opaque =size:uint flags:hex32
460 lsm_set_self_attr - int attr:uint <ctx:opaque size:uint flags:hex32
461 lsm_list_modules - int >ids:hex64[^] =size:uint flags:hex32
462 mseal memory int start:address len:ulong flags:hex64
463 setxattrat desc,file int dfd:dirfd <pathname:path at_flags:at_flags <name:string <uargs:xattr_args usize:ulong
464 getxattrat desc,file int dfd:dirfd <pathname:path at_flags:at_flags <name:string >>uargs:xattr_args usize:ulong
465 listxattrat desc,file int dfd:dirfd <pathname:path at_flags:at_flags >list:bytes[^4] size:ulong
466 removexattrat desc,file int dfd:dirfd <pathname:path at_flags:at_flags <name:string
467 open_tree_attr desc,file fd dfd:dirfd <filename:path flags:open_tree <uattr:mount_attr usize:ulong
468 file_getattr desc,file int dfd:dirfd <filename:path >ufattr:file_attr usize:ulong at_flags:at_flags
469 file_setattr desc,file int dfd:dirfd <filename:path <ufattr:file_attr usize:ulong at_flags:at_flags
470 listns - int <req:opaque >ns_ids:hex64[^2] nr_ns_ids:ulong flags:hex32
471 rseq_slice_yield - int
`;
