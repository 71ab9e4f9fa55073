// The smallest stripped Go program, with a goroutine and a channel.
// variants: go
package main

import "fmt"

func main() {
	words := make(chan string)
	go func() { words <- "world" }()
	fmt.Println("hello,", <-words)
}
