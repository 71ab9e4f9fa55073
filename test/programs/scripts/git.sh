# A repository made, committed to, branched, merged, packed, cloned and checked.
set -e
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='2020-01-01T00:00:00Z'
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_COMMITTER_DATE='2020-01-02T00:00:00Z'
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git init -q -b main repository
cd repository
seq 1 1000 > numbers
git add numbers
git commit -q -m 'First'
printf '#!/bin/sh\necho "hook runs in $(basename "$PWD")"\n' > .git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
git checkout -q -b side
sed -i 's/^500$/five hundred/' numbers
git commit -q -a -m 'Side' 2>&1
git checkout -q main
echo text > other
git add other
git commit -q -m 'Main' 2>&1
git merge -q -m 'Merge' side 2>&1
git log --oneline --graph
git diff --stat main~1 main
git gc -q
git fsck --strict --no-progress
cd ..
git clone -q repository copy 2>&1
cd copy
git log --format='%H %s' -n 2
git blame -L 499,501 numbers | cut -c 1-8
