// Goroutines, channels, garbage collection, os/exec, signals and a small HTTP server on loopback with its own clients.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func goroutines() {
	var sum atomic.Int64
	var group sync.WaitGroup
	for i := 0; i < 2000; i++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			digest := sha256.Sum256([]byte(fmt.Sprint(n)))
			sum.Add(int64(digest[0]))
			runtime.Gosched()
		}(i)
	}
	group.Wait()
	fmt.Println("goroutines", sum.Load())
}

// A loop without calls: only a signal can preempt it, and a collection must stop it.
func preemption() {
	var stop atomic.Bool
	done := make(chan int)
	go func() {
		n := 0
		for !stop.Load() {
			n++
		}
		done <- n
	}()
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	stop.Store(true)
	<-done
	fmt.Println("preemption done")
}

func deep(n int) int {
	var page [256]byte
	page[n%256] = 1
	if n == 0 {
		return 0
	}
	return deep(n-1) + int(page[n%256])
}

func garbage() {
	total := 0
	var keep [][]byte
	for i := 0; i < 20000; i++ {
		b := make([]byte, 1000+i%3000)
		total += len(b)
		if i%100 == 0 {
			keep = append(keep, b)
		}
	}
	fmt.Println("garbage", total, len(keep), deep(20000))
}

func commands() {
	out, err := exec.Command("sh", "-c", "echo from sh; exit 3").Output()
	fmt.Printf("exec %q %v\n", out, err)
	var group sync.WaitGroup
	var good atomic.Int64
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if out, err := exec.Command("/bin/echo", "x").Output(); err == nil && string(out) == "x\n" {
				good.Add(1)
			}
		}()
	}
	group.Wait()
	_, err = exec.Command("/no/such/program").Output()
	fmt.Println("exec", good.Load(), err)
}

func signals() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-c)
	func() {
		defer func() { fmt.Println("recovered", recover()) }()
		var p *int
		*p = 1
	}()
}

func server() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "you asked for %s", r.URL.Path) })
	s := &http.Server{Handler: mux}
	go s.Serve(listener)
	var group sync.WaitGroup
	var bytes atomic.Int64
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			for j := 0; j < 5; j++ {
				response, err := http.Get(fmt.Sprintf("http://%s/page/%d/%d", listener.Addr(), n, j))
				if err != nil {
					fmt.Println(err)
					return
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				bytes.Add(int64(len(body)))
			}
		}(i)
	}
	group.Wait()
	s.Close()
	fmt.Println("http", bytes.Load())
}

func main() {
	start := time.Now()
	goroutines()
	preemption()
	garbage()
	commands()
	signals()
	server()
	if time.Since(start) < 0 {
		fmt.Println("time runs backwards")
	}
	exe, _ := os.Executable()
	fmt.Println(exe[len(exe)-7:], len(os.Args), runtime.GOARCH)
	os.Exit(5)
}
