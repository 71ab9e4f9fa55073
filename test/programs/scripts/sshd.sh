# sshd and ssh on loopback: each connection is served by a process that is confined by chroot, rlimits and a seccomp filter until it is
# authenticated. Commands, a terminal, sftp, scp, sessions that share a connection. `port` holds a free port.
port=$(cat port)
umask 022
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
for key in host user other; do ssh-keygen -q -t ed25519 -N '' -C "$key" -f $key; done
cp user.pub authorized
cat > sshd_config <<TEXT
Port $port
ListenAddress 127.0.0.1
HostKey $PWD/host
AuthorizedKeysFile $PWD/authorized
StrictModes no
PidFile none
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
LogLevel VERBOSE
# bash, started by sshd, reads ~/.bashrc unless another shell is around it.
SetEnv SHLVL=1
Subsystem sftp /usr/lib/openssh/sftp-server
TEXT
cat > ssh_config <<TEXT
Host server
  HostName 127.0.0.1
  Port $port
  IdentitiesOnly yes
  UserKnownHostsFile $PWD/known
TEXT
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 host.pub)" > known
/usr/sbin/sshd -D -e -f sshd_config 2> sshd.log & server=$!
until (exec 3<> /dev/tcp/127.0.0.1/$port) 2> /dev/null; do kill -0 $server || { cat sshd.log; exit 1; }; done
s() { ssh -F ssh_config -i user "$@"; }

s -n server 'echo on the other side; exit 7'; echo "status $?"
seq 1 50000 | s server 'cksum; echo to stderr >&2' 2>&1
s -n -tt server 'tty | sed "s/[0-9]*$//"; kill -TERM $$' 2> /dev/null; echo "status $?"
seq 1 100000 > large
sftp -q -F ssh_config -i user -b - server <<TEXT 2>&1 | grep -v '^sftp>'
cd $PWD
put large uploaded
get uploaded downloaded
mkdir directory
rename uploaded directory/moved
ls -1 directory
chmod 600 directory/moved
TEXT
cksum < downloaded; stat -c %a directory/moved
scp -q -F ssh_config -i user -r "server:$PWD/directory" copied && cksum < copied/moved

s -M -S "$PWD/control" -N -f server 2> /dev/null
for i in 1 2 3 4; do s -n -S "$PWD/control" server "seq 1 $i | tail -1" > out-$i & sessions[i]=$!; done
wait "${sessions[@]}"; cat out-*
s -S "$PWD/control" -O exit server 2>&1

ssh -n -F ssh_config -i other server true 2>&1 | sed 's/^.*@/USER@/'
kill $server; wait $server; echo "server: $?"
grep -c 'Accepted key' sshd.log
grep -i -E 'fatal|sandbox|seccomp' sshd.log; exit 0
