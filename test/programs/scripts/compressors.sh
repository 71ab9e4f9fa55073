# xz, zstd, bzip2 and gzip, with threads where they have them; what they write is the same in every run.
set -o pipefail
seq 1 400000 > numbers; head -c 3000000 "$(readlink -f /usr/bin/perl)" > binary
for file in numbers binary; do
  for command in 'xz -T2 -1 --block-size=262144' 'xz -0' 'zstd -q -T2 -3' 'zstd -q -T2 -9 --long' 'bzip2' 'gzip -1n'; do
    $command -c $file > packed; wc -c < packed; cksum < packed
    ${command%% *} -dc < packed | cmp - $file && echo "$command: equal"
  done
done
xz -T2 -1 -k numbers && xz -l --robot numbers.xz | tail -1 && xz -T2 -t numbers.xz && rm numbers.xz
zstd -q --train -B1000 numbers -o dictionary --maxdict=4096 2>&1 | tail -1; cksum < dictionary
zstd -q -T2 -D dictionary numbers && zstd -q -d -D dictionary -c numbers.zst | cksum
head -c 1000 packed | gzip -dc > /dev/null; echo "truncated: $?"
bzip2 -t numbers; echo "not packed: $?"
