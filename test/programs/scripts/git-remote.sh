# git between repositories: a bare one with hooks, clones through pipes to upload-pack and receive-pack, packs of two processors' threads, a
# worktree, a bisection that runs a script, a shallow clone.
set -e
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='2020-01-01T00:00:00Z'
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_COMMITTER_DATE='2020-01-02T00:00:00Z'
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git init -q --bare -b main bare.git
printf '#!/bin/sh\nwhile read old new ref; do echo "received $ref"; done\n' > bare.git/hooks/post-receive
chmod +x bare.git/hooks/post-receive
git -c init.defaultBranch=main clone -q "file://$PWD/bare.git" first 2> /dev/null
cd first
for i in $(seq 1 15); do
  mkdir -p "d$((i % 4))"; seq $i $((i + 2000)) > "d$((i % 4))/file$i"; git add .; git commit -q -m "Commit $i"
done
git push -q origin HEAD:main 2>&1
git tag -a v1 -m 'A tag'; git push -q --tags origin 2>&1
git bisect start HEAD HEAD~14 > /dev/null; git bisect run sh -c 'test ! -e d3/file11' | tail -n +2 | grep -c 'first bad commit'; git bisect reset > /dev/null 2>&1
cd ..
git clone -q "file://$PWD/bare.git" second
git clone -q --depth 3 "file://$PWD/bare.git" shallow; git -C shallow log --oneline | wc -l
git -C second rev-parse HEAD; git -C second describe
git -C second -c pack.threads=2 repack -q -a -d -f; git -C second gc -q --aggressive --prune=now; git -C second fsck --strict --no-progress
git -C second count-objects -v | grep -E '^(count|in-pack|packs|garbage)'
git -C second worktree add -q ../tree HEAD~5 2>&1; git -C tree log -1 --format=%s
(cd second && seq 9 > other && git add . && git commit -q -m Other && git push -q 2>&1)
git -C first pull -q --rebase origin main 2>&1; git -C first log -1 --format='%s %T'
git -C first archive --format=tar HEAD | cksum
git -C first format-patch -q -3 -o ../patches > /dev/null; git -C tree am -q "$PWD"/patches/*Other* 2>&1; git -C tree log -1 --format=%s
git -C second bundle create -q ../all.bundle --all; git clone -q all.bundle third 2>&1; git -C third log --oneline | wc -l
