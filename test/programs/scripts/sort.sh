# A sort that spills to temporary files and merges them with several threads.
set -e
seq 1 200000 | awk '{ print ($1 * 7919) % 200003, $1 }' > unsorted
sort --parallel=2 -S 1M -n unsorted > by-number
sort --parallel=4 -S 64M -k 2,2 -t ' ' unsorted > by-text
sort -c -n by-number
cksum < by-number
cksum < by-text
sort -u --parallel=2 by-number unsorted | wc -l
tail -n 1 by-number
