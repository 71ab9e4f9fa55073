# dash, the system's shell: here documents, traps, getopts, subshells, background jobs, a loop with many forks.
i=0; while [ $i -lt 300 ]; do i=$(expr $i + 1); done; echo $i
f() { local OPTIND=1; while getopts ab:c option; do echo "$option $OPTARG"; done; shift $((OPTIND - 1)); echo "rest $*"; }
f -a -b value -c one two
cat <<TEXT | tr a-z A-Z
here $((6 * 7)) $(echo nested "$(echo deeper)")
TEXT
trap 'echo USR1' USR1; kill -USR1 $$
trap 'echo exit $?' EXIT
for n in 3 1 2; do (exit $n) & pids="$pids $!"; done; for pid in $pids; do wait $pid; echo $?; done
mkfifo pipe; seq 1 1000 > pipe & sort -rn < pipe | head -1; wait
( ulimit -t 1; while :; do :; done ) 2> /dev/null; echo $?
sleep 100 & kill -TERM $!; wait $!; echo $?
exec 3> file; echo text >&3; exec 3>&-; cat file; set -- a b c; echo $# "$@"; unset none; echo ${none:-default} ${PATH:+set}
case $(echo abc) in a*) echo matches ;; esac
eval 'x=1; echo $x'; command -v cat > /dev/null && echo found; sh -c 'echo $0 $1' name argument
kill -9 $$
