//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "the benchmark needs Linux: it reads CPU, flushes and disk bytes from /proc")
	os.Exit(1)
}
