# Programs that change who they are before they execute others.
chmod 755 .
mkdir -p own
cp /bin/busybox own/busybox && chmod 755 own own/busybox
show='id -u; id -g; grep -E "^(Cap(Prm|Eff|Amb)|NoNewPrivs)" /proc/self/status; readlink /proc/self/exe'
if [ "$(id -u)" = 0 ]; then
  setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "$show"; echo "status $?"
  setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw sh -c "$show"; echo "status $?"
  setpriv --no-new-privs --bounding-set -all sh -c "$show; ./own/busybox id -u"; echo "status $?"
  setpriv --securebits +noroot sh -c "$show"; echo "status $?"
  su -s /bin/sh nobody -c "$show"; echo "status $?"
  runuser -u nobody -- sh -c "$show; exec ./own/busybox sh -c 'id -u; exit 3'"; echo "status $?"
  mkdir -p setuid
  chmod 755 setuid
  cp own/busybox setuid/busybox && chown 1234:1234 setuid/busybox && chmod 6755 setuid/busybox
  setpriv --reuid 65534 --regid 65534 --clear-groups ./own/busybox sh -c './setuid/busybox id; ./setuid/busybox id -u'; echo "status $?"
  setpriv --no-new-privs --reuid 65534 --regid 65534 --clear-groups ./own/busybox sh -c './setuid/busybox id -u'; echo "status $?"
fi
unshare -r sh -c "id -u; ./own/busybox id -u; cat /proc/self/uid_map | tr -s ' '"; echo "status $?"
unshare -r --mount sh -c 'mount -t tmpfs none /mnt && cp own/busybox /mnt/busybox && cd /mnt && ./busybox echo from a tmpfs && umount -l /mnt && ./busybox echo from a lost tmpfs; readlink /proc/self/exe'; echo "status $?"
unshare -r --mount sh -c 'mkdir -p m; mount -t tmpfs -o noexec none m && cp own/busybox m && m/busybox echo no'; echo "status $?"
unshare -rpf --mount-proc ./own/busybox sh -c 'readlink /proc/self/exe | sed "s/.*\///"; echo $$'; echo "status $?"
setsid -w ./own/busybox sh -c 'echo session'; echo "status $?"
nohup ./own/busybox echo nohup 2>/dev/null; nice -n 7 nice; ionice -c 3 ./own/busybox echo ionice; taskset 1 ./own/busybox echo taskset; chrt -b 0 ./own/busybox echo chrt
timeout 5 ./own/busybox echo timeout; stdbuf -o0 ./own/busybox echo stdbuf; env -i ./own/busybox env; env -C / pwd; setarch -R ./own/busybox uname -m; setarch linux32 ./own/busybox uname -m
prlimit --nofile=20 ./own/busybox sh -c 'ulimit -n'; flock lock ./own/busybox echo flock; xargs -n1 ./own/busybox echo <<E
one
two
E
find own/busybox -exec ./own/busybox echo found {} \; ; (exec -a busybox ./own/busybox echo renamed) ; true
