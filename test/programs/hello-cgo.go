// Go and C in one file, position-independent: another linker than Go's has put it together.
package main

/*
static int add(int a, int b) { return a + b; }
*/
import "C"
import "fmt"

func main() {
	sums := make(chan int)
	go func() { sums <- int(C.add(1, 2)) }()
	fmt.Println("the sum is", <-sums)
}
