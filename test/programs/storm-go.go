// Go preempts goroutines by SIGURG at any instruction and looks at the interrupted program counter, stack pointer and
// stack. Here they come as fast as they can, with the profiler's timer beside them, while goroutines compute, collect
// garbage, make system calls on small stacks, grow their stacks and start processes.
// variants: go
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func loop(rounds int) uint64 {
	sum := uint64(14695981039346656037)
	for i := 0; i < rounds; i++ {
		sum = (sum ^ uint64(i)) * 1099511628211
	}
	return sum
}

func deep(n int) int {
	var pad [256]byte
	pad[n%256] = byte(n)
	if n == 0 {
		return 0
	}
	return deep(n-1) + int(pad[n%256]) - n%256 + 1
}

func main() {
	debug.SetGCPercent(20)
	var profile bytes.Buffer
	pprof.StartCPUProfile(&profile)
	hups := make(chan os.Signal, 1000)
	signal.Notify(hups, syscall.SIGHUP)

	var stop atomic.Bool
	var storm sync.WaitGroup
	storm.Add(2)
	go func() {
		defer storm.Done()
		for !stop.Load() {
			syscall.Kill(os.Getpid(), syscall.SIGURG)
			runtime.Gosched()
		}
	}()
	go func() {
		defer storm.Done()
		for !stop.Load() {
			syscall.Kill(os.Getpid(), syscall.SIGHUP)
			time.Sleep(time.Millisecond)
		}
	}()

	var bad atomic.Int64
	var work sync.WaitGroup
	expected := loop(3000000)
	for worker := 0; worker < 4; worker++ {
		work.Add(4)
		go func() {
			defer work.Done()
			for i := 0; i < 20; i++ {
				if loop(3000000) != expected {
					bad.Add(1)
				}
			}
		}()
		go func() {
			defer work.Done()
			pid := os.Getpid()
			for i := 0; i < 20000; i++ {
				if syscall.Getpid() != pid {
					bad.Add(1)
				}
				if _, err := syscall.Seek(-1, 0, 0); err != syscall.EBADF {
					bad.Add(1)
				}
			}
		}()
		go func() {
			defer work.Done()
			for i := 0; i < 200; i++ {
				done := make(chan int)
				go func() { done <- deep(1000) }()
				if <-done != 1000 {
					bad.Add(1)
				}
				if i%20 == 0 {
					runtime.GC()
				}
			}
		}()
		go func() {
			defer work.Done()
			kept := map[int][]byte{}
			for i := 0; i < 20000; i++ {
				kept[i%100] = make([]byte, 100+i%4000)
			}
			for i := 0; i < 3; i++ {
				output, err := exec.Command("/bin/echo", "child").Output()
				if err != nil || string(output) != "child\n" {
					bad.Add(1)
				}
			}
		}()
	}
	work.Wait()
	stop.Store(true)
	storm.Wait()
	signal.Stop(hups)
	pprof.StopCPUProfile()
	fmt.Println("bad", bad.Load(), "signals came", len(hups) > 0, "profiled", profile.Len() > 0)
}
