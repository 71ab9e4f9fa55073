# A tree of thousands of files through tar, find, rsync and cksum, with pipes, deletions and a change in the middle.
set -o pipefail
tree=$(go env GOROOT)/src
mkdir one two
tar -C "$tree" -chf - . | tar -C one -xf -; echo "tar: $?"
rsync -a one/ two/; echo "rsync: $?"
diff -r one two && echo same
sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 -n 50 -P 2 cksum | sort | cksum); }
sums one; sums two
find one -name '*_test.go' -delete; echo changed >> one/go.mod; touch -d 2001-01-01 one/go.mod
rsync -a --delete --checksum --itemize-changes one/ two/ | cut -c1-11 | sort | uniq -c
diff -r one two && echo same
tar -cf - -C two . | zstd -T2 -q | zstd -d -q | tar -tf - | sort | cksum
find two -type f -exec grep -l 'syscall' {} + | sort | cksum
git init -q two && git -C two add . && git -C two -c user.name=A -c user.email=a@example.org commit -q -m All && git -C two write-tree
