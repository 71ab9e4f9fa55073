# Programs that change their root directory to one without /proc, or go to a PID namespace of their own. Without root's rights
# a user namespace gives them.
as_root=
[ "$(id -u)" = 0 ] || as_root='unshare -r'
mkdir -p root/old
cp "$(command -v busybox)" root/busybox
for name in sh true ls echo cat; do ln root/busybox root/$name; done
$as_root chroot root /sh -c '/true; /ls /; /cat /proc/self/exe; /sh -c "/echo deeper; /none; exit 4"; /echo status $?'
$as_root chroot root /none; echo "status $?"
unshare -Upfr sh -c 'echo process $$; /bin/true; exit 3'; echo "status $?"
unshare -mr sh -c 'mount --bind root root && cd root && pivot_root . old && exec /sh -c "/ls /; /echo pivoted; exit 5"'; echo "status $?"
unshare -Upfr --mount-proc sh -c 'echo /proc/[0-9]*; readlink /proc/self/exe'; echo "status $?"
# A program that closes every descriptor, the engine's too: the kernel executes what cannot be followed.
$as_root python3 -c 'import os; os.chroot("root"); os.chdir("/"); os.closerange(3, 2000); os.execv("/echo", ["echo", "closed"])'
echo "status $?"
