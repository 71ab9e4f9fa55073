# Programs that find their files, or run themselves, by asking who they are.
mkdir -p tool/bin tool/lib
cat > part.c <<'END'
#include <stdio.h>
int part(void) { return puts("the library beside the program") < 0; }
END
cat > main.c <<'END'
#include <dlfcn.h>
#include <stdio.h>
int part(void);
int main(int count, char **arguments) {
  void *opened = dlopen("$ORIGIN/../lib/libother.so", RTLD_NOW);
  int (*other)(void) = opened ? (int (*)(void))dlsym(opened, "part") : 0;
  printf("dlopen: %s\n", other ? "found" : dlerror());
  return part() + (other ? other() : 1) + count - 1;
}
END
gcc -shared -fPIC -o tool/lib/libpart.so part.c
cp tool/lib/libpart.so tool/lib/libother.so
gcc -o tool/bin/main main.c -Ltool/lib -lpart -Wl,-rpath,'$ORIGIN/../lib' -ldl
tool/bin/main
ln -s ../bin/main tool/lib/link
tool/lib/link
(cd tool/bin && PATH=. && main)
env -i tool/bin/main
mv tool elsewhere
elsewhere/bin/main

/usr/bin/python3 -m venv --without-pip environment
environment/bin/python -c 'import os, sys; print(os.path.relpath(sys.prefix), os.path.basename(sys.executable), sys.prefix != sys.base_prefix)'
environment/bin/python -c 'import subprocess, sys; subprocess.run([sys.executable, "-c", "import sys; print(sys.prefix != sys.base_prefix)"])'
perl -e 'print "$^X\n"; system($^X, "-e", "print qq(again \$^X\\n)")'
ruby -e 'require "rbconfig"; puts RbConfig.ruby, File.readlink("/proc/self/exe")'
node -p 'require("fs").readlinkSync("/proc/self/exe") === process.execPath'
node -e 'console.log(require("child_process").execFileSync(process.execPath, ["-p", "6 * 7"]).toString().trim())'
mkdir boxes
cp /bin/busybox boxes/busybox
boxes/busybox sh -c 'readlink /proc/self/exe | sed "s/.*\///"; expr 6 \* 7; ls -l /proc/$$/exe | sed "s/.*\///"'
ln -s boxes/busybox expr
./expr 6 \* 7
cat > own.go <<'END'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	own, err := os.Executable()
	fmt.Println(filepath.Base(own), err, filepath.Base(os.Args[0]))
	if len(os.Args) > 1 {
		return
	}
	os.Remove("link-to-own")
	os.Symlink(own, "link-to-own")
	for _, path := range []string{"/proc/self/exe", own, "./link-to-own"} {
		command := exec.Command(path, "again")
		command.Stdout = os.Stdout
		fmt.Println(command.Run())
	}
}
END
GO111MODULE=off GOFLAGS= GOCACHE=$PWD/cache CGO_ENABLED=0 go build -o own-go own.go && ./own-go
[ "$(git --exec-path)" = "$(GIT_TRACE=0 git --exec-path)" ] && git --exec-path
gcc -print-prog-name=cc1
ln -s /usr/bin/gcc compiler
./compiler -print-search-dirs | sed -n 1p
for way in /proc/self/exe /proc/thread-self/exe; do bash -c 'exec -a given '$way' -c "echo \$0 \$BASH"' ; done
