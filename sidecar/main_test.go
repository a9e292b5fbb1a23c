package main

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	// As in the image, so that golden files name no directory of a user.
	if err := os.Setenv("XDG_DATA_HOME", "/data"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
