# What tools that look at other processes say of programs that run under the same Flicker.
cp /bin/sleep own-name
mkdir directory
cp /bin/cat directory/reader
mkfifo pipe
./own-name 1000 &
sleeper=$!
directory/reader pipe >/dev/null &
reader=$!
exec 5>pipe # opened when the reader has been executed
until [ "$(readlink /proc/$sleeper/exe)" = "$PWD/own-name" ]; do :; done

echo "exe: $(basename "$(readlink /proc/$sleeper/exe)") $(basename "$(readlink /proc/$reader/exe)")"
echo "shell: $(basename "$(readlink /proc/$$/exe)"), of a child: $(bash -c 'basename "$(readlink /proc/$PPID/exe)"; :')"
[ /proc/$sleeper/exe -ef own-name ] && echo "same file"
cmp /proc/$sleeper/exe own-name && echo "same bytes"
ls -lL /proc/$reader/exe | cut -c1-10
echo "ps: $(ps -o comm=,args= -p $sleeper)"
echo "ps by name: $(ps -C own-name -o pid= | grep -c "^ *$sleeper\$")"
echo "pgrep: $(pgrep -x own-name | grep -c "^$sleeper\$"), by arguments $(pgrep -f 'own-name 1000' | grep -c "^$sleeper\$")"
echo "pidof: $(pidof "$PWD/own-name" | tr ' ' '\n' | grep -c "^$sleeper\$")"
echo "lsof: $(lsof -a -p $sleeper -d txt -Fn | sed -n 's/^n.*\///p')"
echo "fuser: $(fuser own-name 2>/dev/null | tr -s ' ' '\n' | grep -c "^$sleeper\$")"
echo "top: $(top -b -n 1 -p $sleeper | tail -1 | awk '{ print $NF }')"
echo "start-stop-daemon: $(start-stop-daemon --status --exec "$PWD/own-name"; echo $?)"
mv own-name moved
echo "moved: $(basename "$(readlink /proc/$sleeper/exe)")"
rm moved
echo "removed: $(basename "$(readlink /proc/$sleeper/exe)")"
killall "$PWD/directory/reader" && echo "killed"
wait $reader
echo "status $?"
kill $sleeper
wait $sleeper
echo "status $?"
