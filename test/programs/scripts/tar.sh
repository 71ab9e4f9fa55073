# tar with gzip as a child process, both ways, and xz.
set -e
mkdir -p tree/deep/deeper
for i in $(seq 1 50); do seq $i 500 > tree/deep/file-$i; done
ln -s deep/file-1 tree/link
ln tree/deep/file-2 tree/deep/deeper/hard
head -c 300000 /dev/zero > tree/zeros
tar czf packed.tar.gz --sort=name --mtime='2020-01-01 00:00Z' --owner=0 --group=0 tree
gzip -t packed.tar.gz
mkdir out
tar xzf packed.tar.gz -C out
diff -r tree out/tree && echo same
tar tzf packed.tar.gz | cksum
gunzip -c packed.tar.gz | cksum
tar cJf packed.tar.xz --sort=name --mtime='2020-01-01 00:00Z' --owner=0 --group=0 tree
xz -dc packed.tar.xz | cksum
tar xzf nosuch.tar.gz 2>&1 || echo "status $?"
