# jq on documents that it makes itself.
jq -n '[range(30000) | {id: ., name: "n\(. * 7919 % 1009)", tags: [range(. % 5)], even: (. % 2 == 0)}]' > data.json
cksum < data.json
jq -c 'group_by(.name) | map({name: .[0].name, count: length, sum: map(.id) | add}) | sort_by(-.count, .name) | .[0:5]' data.json
jq -c '[.[] | select(.even) | .tags | length] | add / length' data.json
jq -r '.[10:13][] | [.id, .name, (.tags | tostring)] | @csv' data.json
jq -S --stream -c 'select(length == 2) | .[1]' data.json | cksum
jq '.[0] | to_entries | from_entries | keys' data.json
jq -n 'def fib: if . < 2 then . else (. - 1 | fib) + (. - 2 | fib) end; 18 | fib'
jq -n '"2015-03-05T23:51:47Z" | fromdate, (1425599621 | todate)'
echo '{"a":' | jq .; echo "status $?"
echo '{"a":1}' | jq -e '.b'; echo "status $?"
