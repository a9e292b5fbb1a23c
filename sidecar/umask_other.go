//go:build !unix

package main

// keepPrivate has nothing to do where there is no umask.
func keepPrivate() {}
