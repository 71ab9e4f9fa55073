# The Go tool chain: gofmt, vet, a build, the program.
export GOCACHE=$PWD/cache GO111MODULE=off GOFLAGS=-p=2 GOPATH=$PWD
cat > program.go <<'TEXT'
package main

import "os"

type list[T any] struct { head T; tail *list[T] }

func sum(l *list[int]) (total int) {
	for ; l != nil; l = l.tail { total += l.head }
	return
}

func main() {
	results := make(chan int)
	for i := 1; i <= 4; i++ {
		go func(n int) {
			var l *list[int]
			for j := 0; j < 10000; j++ { l = &list[int]{j % n, l} }
			results <- sum(l)
		}(i)
	}
	total := 0
	for i := 0; i < 4; i++ { total += <-results }
	println(total)
	os.Exit(total % 200)
}
TEXT
gofmt -l program.go; gofmt program.go | cksum
go vet program.go; echo "vet: $?"
go build -o program program.go && ./program; echo "program: $?"
go tool nm program | grep -c ' T main\.'
echo 'func broken( {' >> program.go; gofmt -l program.go; echo "gofmt: $?"
