# fish (threads beside its evaluator): lists, strings, functions, pipelines, background jobs, command substitution.
set -l total 0
for i in (seq 1 2000); set total (math $total + $i); end; echo $total
function greet --argument-names name; echo "hello $name"; return 4; end
greet fish; echo $status
string split , "a,b,c" | string upper | string join -
string match -rg '(\d+)-(\d+)' 12-34; string replace -ra '[aeiou]' '*' "some vowels here"
seq 1 50000 | sort -rn | head -2 | while read line; echo "line $line"; end
echo $pipestatus
set words (string split ' ' "the quick brown fox"); echo $words[-1..1] (count $words)
switch $words[2]; case 'q*'; echo q; case '*'; echo other; end
sh -c 'exit 9' & wait; jobs; echo done
diff (seq 1 3 | psub) (seq 2 4 | psub); echo $status
begin; echo out; echo err >&2; end 2>&1 | sort
function on_usr1 --on-signal USR1; echo USR1; end; kill -USR1 $fish_pid; sleep 0.01
false; or echo "or $status"; not true; and echo and
eval 'echo evaluated'; command -q none; echo $status
exit 6
