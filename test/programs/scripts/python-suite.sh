# A module of Python's own tests: which test passes, fails or is left out. Natively some fail in some surroundings; the verdicts must be the same.
python3 -m test -v --tempdir "$PWD" -i '*VSOCK*' "$@" > log 2>&1
status=$?
# A test's verdict is in its line, or in one of its own behind what it prints.
grep -E '^test\w* \(.*\) \.\.\. (ok|FAIL|ERROR|skipped|expected failure)|^(FAIL|ERROR): ' log | sort
grep -E '^(Ran [0-9]+|OK|FAILED)' log | sed -E 's/ in [0-9.]+s$//'
exit $status
