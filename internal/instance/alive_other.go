//go:build !unix

package instance

import "io/fs"

// alive cannot be known here; a pointer is tried, and passed over if nobody answers.
func alive(int) bool { return true }

func ours(fs.FileInfo) bool { return true }
