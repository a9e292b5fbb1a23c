//go:build !linux

package sqlite

// forgetCachedPages is for the page cache of Linux.
func forgetCachedPages(string) error { return nil }
