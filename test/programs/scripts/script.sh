# script(1): a pseudo-terminal of its own for a command, its output to a file as it comes, the size of the window, the exit status; played again.
export SHELL=/bin/sh TERM=xterm
script -q -e -c 'tty | sed "s/[0-9]*$//"; test -t 0 && test -t 1 && echo both; echo to stderr >&2; exit 5' typescript < /dev/null; echo "status $?"
grep -v '^Script' typescript
script -q -e -c 'kill -TERM $$' /dev/null < /dev/null; echo "status $?"
printf 'typed line\n\004' | script -q -e -c 'cat; echo end' /dev/null
script -q -e -c 'seq 1 20000' large < /dev/null | tr -d '\r' | cksum
script -q --log-timing timing --log-out recorded -c 'for i in 1 2 3; do echo $i; done' < /dev/null > /dev/null
scriptreplay --maxdelay 0 -t timing -O recorded | grep -v '^Script'
# A terminal in a terminal; python's own.
script -q -e -c "script -q -e -c 'echo inner; exit 4' /dev/null; echo \$?" /dev/null < /dev/null | sed "s/\^@//g"
python3 -c '
import os, pty
print(pty.spawn(["sh", "-c", "test -t 1 && echo terminal; exit 3"], lambda fd: os.read(fd, 1024)) >> 8)' < /dev/null
