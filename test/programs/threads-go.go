// variants: go
// Go makes threads and processes by the bare instruction, never through libc: threads that end with their goroutine,
// children of vfork with flags and without, in namespaces and new roots, all at once and under signals.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func inParallel(count int, body func(i int) bool) int64 {
	var bad atomic.Int64
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if !body(i) {
				bad.Add(1)
			}
		}()
	}
	group.Wait()
	return bad.Load()
}

func main() {
	// A goroutine that ends while it is locked to its thread takes the thread with it.
	for round := 0; round < 5; round++ {
		fmt.Println("threads, bad", inParallel(200, func(i int) bool {
			runtime.LockOSThread()
			return syscall.Gettid() != 0
		}))
	}

	received := make(chan os.Signal, 1000)
	signal.Notify(received, syscall.SIGUSR1)
	done := make(chan bool)
	go func() {
		for {
			select {
			case <-done:
				return
			default:
				syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
				time.Sleep(time.Millisecond)
			}
		}
	}()
	fmt.Println("children, bad", inParallel(40, func(i int) bool {
		err := exec.Command("/bin/sh", "-c", fmt.Sprintf("exit %d", i%7)).Run()
		if i%7 == 0 {
			return err == nil
		}
		failed, ok := err.(*exec.ExitError)
		return ok && failed.ExitCode() == i%7
	}))
	fmt.Println("missing, bad", inParallel(20, func(i int) bool {
		return exec.Command("/no/such/program").Run() != nil
	}))
	fmt.Println("namespaces, bad", inParallel(12, func(i int) bool {
		command := exec.Command("/bin/sh", "-c", "echo $$")
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS,
			Setpgid: true, Pdeathsig: syscall.SIGKILL}
		output, err := command.Output()
		return err == nil && string(output) == "1\n"
	}))
	fmt.Println("new roots, bad", inParallel(8, func(i int) bool {
		command := exec.Command("/bin/sh", "-c", "test -d /bin")
		command.SysProcAttr = &syscall.SysProcAttr{Chroot: "/", Setsid: true}
		command.Dir = "/"
		return command.Run() == nil
	}))
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_FS | syscall.CLONE_FILES); err != nil {
		fmt.Println(err)
	}
	done <- true
	fmt.Println("signals came:", len(received) > 0)
	err := syscall.Exec("/bin/sh", []string{"sh", "-c", "echo executed; exit 4"}, os.Environ())
	fmt.Println(err)
}
