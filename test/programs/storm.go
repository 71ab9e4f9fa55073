// A Go program under a storm of signals while it serves HTTP, starts processes, collects garbage and is profiled: SIGURG from its own
// preemption, SIGPROF from a timer, SIGUSR1 and SIGUSR2 from a process of its own. Everything that is computed must come out right.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A loop without calls: only a signal can preempt it.
func spin(n int) uint64 {
	x := uint64(n)
	for i := 0; i < 3_000_000; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// Deep recursion: stacks that grow and move.
func deep(n int, text string) int {
	var filler [64]byte
	copy(filler[:], text)
	if n == 0 {
		return int(filler[0])
	}
	return deep(n-1, text) + int(filler[n%64])
}

func pages() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	mux := http.NewServeMux()
	mux.HandleFunc("/sum/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		check(err)
		fmt.Fprintf(w, "%x", sha256.Sum256(append(body, r.URL.Path...)))
	})
	go http.Serve(listener, mux)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	var wait sync.WaitGroup
	sums := make([]string, 64)
	for worker := 0; worker < 8; worker++ {
		wait.Add(1)
		go func(worker int) {
			defer wait.Done()
			for i := worker; i < len(sums); i += 8 {
				text := strings.Repeat(fmt.Sprint("body ", i, " "), 2000)
				response, err := client.Post(fmt.Sprintf("http://%s/sum/%d", listener.Addr(), i), "text/plain", strings.NewReader(text))
				check(err)
				body, err := io.ReadAll(response.Body)
				check(err)
				response.Body.Close()
				sums[i] = string(body)
			}
		}(worker)
	}
	wait.Wait()
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(sums, "\n"))))
}

func processes() string {
	lines := make([]string, 12)
	var wait sync.WaitGroup
	for i := range lines {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			command := exec.Command("sh", "-c", fmt.Sprintf("tr a-z A-Z; exit %d", i))
			command.Stdin = strings.NewReader(fmt.Sprint("line ", i))
			out, err := command.Output()
			lines[i] = fmt.Sprint(string(out), " ", err)
		}(i)
	}
	wait.Wait()
	return strings.Join(lines, ", ")
}

func allocations() int {
	total := 0
	for round := 0; round < 30; round++ {
		words := map[string][]byte{}
		for i := 0; i < 2000; i++ {
			words[fmt.Sprint(i)] = make([]byte, i%300)
		}
		keys := make([]string, 0, len(words))
		for key := range words {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		total += len(words[keys[round]])
	}
	return total
}

func main() {
	debug.SetGCPercent(20)
	runtime.GOMAXPROCS(4)
	var profile bytes.Buffer
	_ = pprof.StartCPUProfile(&profile)

	var seen atomic.Int64
	notes := make(chan os.Signal, 64)
	signal.Notify(notes, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for range notes {
			seen.Add(1)
		}
	}()
	signal.Ignore(syscall.SIGHUP)
	storm := exec.Command("sh", "-c", fmt.Sprintf("while kill -USR1 %d && kill -USR2 %d && kill -HUP %d; do :; done", os.Getpid(), os.Getpid(), os.Getpid()))
	storm.Stderr = nil
	check(storm.Start())

	var wait sync.WaitGroup
	results := make([]string, 8)
	for i, work := range []func() string{
		pages, processes,
		func() string { return fmt.Sprint(allocations()) },
		func() string { return fmt.Sprint(spin(1), spin(2), spin(3)) },
		func() string { return fmt.Sprint(spin(4), spin(5), spin(6)) },
		func() string {
			sum := 0
			for i := 0; i < 200; i++ {
				sum += deep(5000, "abc")
				runtime.Gosched()
			}
			return fmt.Sprint(sum)
		},
		func() string {
			ticks := 0
			for range time.NewTicker(time.Millisecond).C {
				if ticks++; ticks == 200 {
					break
				}
			}
			return fmt.Sprint("ticks ", ticks)
		},
		func() string {
			// System threads that come and go.
			var inner sync.WaitGroup
			var count atomic.Int64
			for i := 0; i < 100; i++ {
				inner.Add(1)
				go func() {
					runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
					count.Add(1)
					inner.Done()
				}()
			}
			inner.Wait()
			return fmt.Sprint("threads ", count.Load())
		},
	} {
		wait.Add(1)
		go func(i int, work func() string) {
			defer wait.Done()
			results[i] = work()
		}(i, work)
	}
	wait.Wait()
	check(storm.Process.Kill())
	storm.Wait()
	pprof.StopCPUProfile()
	for _, result := range results {
		fmt.Println(result)
	}
	fmt.Println("signals:", seen.Load() > 20, "profile:", profile.Len() > 100)
	os.Exit(6)
}
