# zsh: arrays, globbing, coprocesses, traps, process substitution, pipelines with job control of their own.
setopt extended_glob null_glob
typeset -A map; for i in {1..2000}; do map[key$i]=$(( (i * 7919) % 1009 )); done
print ${#map} ${map[key77]} ${${(on)map}[1,5]}
touch a1 a2 b1 .hidden; print -l *(.on) ^a*(.) *(D.om[1]) | wc -l
print -- ${(j:,:)${(s: :)${:-c b a}}} ${(U)${:-upper}} ${(l:8::0:)${:-42}} ${${:-some/path/file.txt}:t:r}
sum=0; for n in $(seq 1 3000); do (( sum += n ** 2 )); done; print $sum
diff <(seq 1 5) <(seq 2 6)
coproc { while read -r line && [[ $line != end ]]; do print "got $line"; done }; pid=$!
print -p one; read -rp answer; print $answer; print -p two; read -rp answer; print $answer
print -p end; wait $pid
trap 'print USR1' USR1; kill -USR1 $$
TRAPEXIT() { print bye }
seq 1 100000 | tail -n +50000 | head -1; print $pipestatus
(exit 7) || print status $?
zmodload zsh/mathfunc zsh/datetime zsh/zpty; printf '%.4f\n' $(( sin(1.0) + sqrt(2) ))
zpty worker 'read line; print "pty $line"'; zpty -w worker text; zpty -r worker line '*pty text*' && print found; zpty -d worker
sleep 100 & kill $!; wait $!; print $?
pids=(); for i in {1..20}; do /bin/true & pids+=$!; done; wait $pids; print ${(e):-'$((6 * 7))'}
autoload -Uz zmv; zmv '(a)(?)' 'c$2'; print c*
exit 3
