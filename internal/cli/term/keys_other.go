//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package term

import "os"

// single does nothing: no key can be read alone here.
func single(*os.File) (back func(), controls, ok bool) { return nil, false, false }

func interrupt(*os.File) error { return nil }
