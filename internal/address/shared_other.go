//go:build !linux

package address

// SharedPorts returns nothing: they are known on Linux only.
func SharedPorts() []uint16 { return nil }
