# Run by busybox's own shell: its applets are run in the process or through /proc/self/exe.
set -u
busybox seq 1 500 | busybox grep 5 | busybox sort -rn | busybox head -n 3
busybox printf '%s\n' b a c | busybox sort | busybox tr a-z A-Z | busybox tr '\n' ' '; echo
( exit 7 ); echo "subshell $?"
echo text | busybox gzip | busybox gunzip
busybox mkdir -p tree/a/b; echo x > tree/a/b/file; busybox find tree | busybox sort
busybox tar cf - tree | busybox tar tf - | busybox sort
busybox awk 'BEGIN { for (i = 0; i < 5; i++) s += i * i; print s }'
busybox sleep 1000 & pid=$!; kill $pid; wait $pid; echo "killed $?"
trap 'echo trapped' USR1; kill -USR1 $$
for i in 1 2 3; do busybox expr $i \* $i; done
busybox sh -c 'exit 5'; echo "inner $?"
busybox xargs -n 2 echo pair < numbers
