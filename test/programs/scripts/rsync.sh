# rsync: three processes and pipes for each copy; changes are found by rolling checksums.
mkdir -p source/one source/two; for i in 1 2 3 4 5; do seq 1 ${i}0000 > source/one/$i; done
ln -s one/1 source/link; ln source/one/2 source/two/hard; printf 'x%.0s' {1..200} > "source/two/name with blanks"; chmod 640 source/one/3
touch -d '2020-01-02 03:04:05' source/one/* source/two/* source/two source/one source
rsync -aHi source/ copy/
rsync -aHi source/ copy/
sed -i 's/^777$/changed/' source/one/5; rm source/one/4
rsync -aHi --delete --no-whole-file --checksum source/ copy/
diff -r source copy && echo equal
rsync -az --inplace --partial --compress-choice=zlib source/ again/ && (cd again && find . -type f -print0 | sort -z | xargs -0 cksum)
rsync -a none/ other/ 2> errors; echo "status $?"; grep -c 'No such file' errors
rsync -a --files-from=<(echo one/1; echo link) source/ listed/ && find listed | sort
