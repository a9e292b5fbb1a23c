package address

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// SharedPorts returns the TCP ports on which both this process and another one
// listen. Caddy's listeners let that happen.
func SharedPorts() (all []uint16) {
	own := make(map[string]bool)
	fds, _ := filepath.Glob("/proc/self/fd/*") // The pattern is well-formed.
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:[") {
			own[strings.Trim(to, "socket:[]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/self/net/" + table)
		if err != nil {
			continue // Not known here.
		}
		all = append(all, sharedIn(string(text), own)...)
	}
	return all
}

// sharedIn looks through one table of the kernel: each line has an address, a
// state, of which 0A is listening, and the number of a socket.
func sharedIn(table string, own map[string]bool) (all []uint16) {
	const listens = "0A"
	ours, theirs := make(map[string]bool), make(map[string]bool)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listens {
			continue
		}
		if own[f[9]] {
			ours[f[1]] = true
		} else {
			theirs[f[1]] = true
		}
	}
	for address := range ours {
		if theirs[address] {
			_, hex, _ := strings.Cut(address, ":")
			if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
				all = append(all, uint16(port))
			}
		}
	}
	return all
}
