//go:build !linux

package caddymodule

// sharedPorts is known on Linux only.
func sharedPorts() []string { return nil }
