# Pipelines, subshells, substitutions, traps, here-documents, background jobs: deterministic in every line.
set -u
seq 1 2000 | grep 7 | sort -rn | sed 's/^/n/' | head -n 5
(cd /; pwd; exit 3); echo "subshell: $?"
echo "nested: $(echo $(echo deep; echo er) | tr a-z A-Z)"
false | true; echo "pipestatus: ${PIPESTATUS[*]}"
set -o pipefail
yes | head -n 3; echo "yes: ${PIPESTATUS[*]}"
cat <<TEXT | while read -r line; do echo "[$line]"; done
one
two
TEXT
diff <(seq 1 5) <(seq 2 6); echo "diff: $?"
exec 5>file; echo to five >&5; exec 5>&-; cat file
trap 'echo "trapped USR1"' USR1
kill -USR1 $$
# In a subshell: other children of this shell may end at any time.
( trap 'echo "a child ended"' CHLD; sleep 0 & wait $! )
sleep 1000 & victim=$!
kill -TERM $victim; wait $victim; echo "killed: $?"
( trap 'echo inner exit' EXIT; kill -s INT $BASHPID; echo not reached ); echo "interrupted: $?"
( kill -9 $BASHPID ); echo "killed -9: $?"
for i in 1 2 3 4 5 6 7 8; do ( exit $i ) & pids[$i]=$!; done
sum=0; for i in 1 2 3 4 5 6 7 8; do wait ${pids[$i]}; sum=$((sum + $?)); done; echo "sum: $sum"
coproc tr a-z A-Z; echo "coprocess" >&${COPROC[1]}; exec {COPROC[1]}>&-; cat <&${COPROC[0]}; wait
# A stopped job is brought back by fg: only then does the shell know that it runs again.
set -m
sh -c 'kill -STOP $$; exit 6' & wait $!; echo "stopped: $?"
jobs | grep -c Stopped; fg > /dev/null; echo "ended: $?"
set +m
mapfile -t lines < <(printf '%s\n' a b c); echo "${#lines[@]} ${lines[2]}"
trap 'echo bye; exit 9' EXIT
exec 2>&1
unset nosuch; echo ${nosuch}
