# strace of processes that fork, execute and end by a signal: what it starts is the kernel's to execute, or it would show
# the launcher's calls. And gdb attached to a process that runs already.
strace -f -qq -o trace -s 30 -e trace=openat,execve,write,exit_group,pipe2,dup2,chdir -e signal=USR1 \
  sh -c 'echo one; /bin/true; ls / > /dev/null; cd /; kill -USR1 $$'
echo "status $?"
# Processes take turns as they please: each by itself, in the order of their first calls.
for pid in $(cut -d' ' -f1 trace | awk '!seen[$0]++'); do echo "process"; grep "^$pid " trace | sed -E "s/^[0-9]+ +//; s/0x[0-9a-f]+/ADDRESS/g; s/si_pid=[0-9]+/si_pid=PID/"; done
strace -qq -o counts -c ls / > /dev/null && grep -c -E ' (execve|getdents64|exit_group)$' counts
strace -qq -o trace -e trace=none -e inject=openat:error=ENOENT:when=1 cat /etc/hostname 2>&1 | wc -l
sleep 100 & pid=$!
until grep -q nanosleep /proc/$pid/wchan || grep -q '^230 ' /proc/$pid/syscall; do :; done
gdb -nx -q -batch -ex 'info inferiors' -ex 'call (int)getpid() == '$pid -ex detach -p $pid 2>&1 | grep -E '^(\* 1|\$1|\[Inf)' | sed -E "s/$pid/PID/g; s/ +/ /g; s/ [^ ]*(sleep|launcher) *$//"
kill $pid; wait $pid; echo "status $?"
