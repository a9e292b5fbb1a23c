package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/caddymodule"
)

const prefix = "INBOX_"

// strays tells of variables with our prefix that nobody reads and that look
// like one that somebody would.
func strays(values map[string]string) (all []string) {
	known := names()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) {
			continue
		}
		// Kubernetes sets INBOX_PORT=tcp://… for a service named inbox.
		if strings.HasPrefix(values[name], "tcp://") {
			continue
		}
		if meant := meant(name, known); meant != "" {
			all = append(all, fmt.Sprintf("%s is set and nothing reads it: did you mean %s?", name, meant))
		}
	}
	return all
}

// meant is the known name that shares the most words with name while one of
// the two has no words that the other lacks, up to a slip of the pen.
func meant(name string, known []string) (best string) {
	if name == "INBOX_PORT" || name == "INBOX_ADDRESS" || name == "INBOX_HOST" {
		return "INBOX_LISTEN"
	}
	words := split(name)
	most, left := 0, 0
	for _, k := range known {
		theirs := split(k)
		both := 0
		for _, w := range words {
			if slices.ContainsFunc(theirs, func(t string) bool { return similar(w, t) }) {
				both++
			}
		}
		if both < min(len(words), len(theirs)) {
			continue
		}
		if rest := len(words) + len(theirs) - 2*both; both > most || both == most && rest < left {
			best, most, left = k, both, rest
		}
	}
	for _, k := range known {
		if best == "" && caddymodule.Distance(name, k) <= 2 { // INBOX_DATADIR
			best = k
		}
	}
	return best
}

func split(name string) []string {
	return strings.Split(strings.TrimPrefix(name, prefix), "_")
}

// similar allows one slip in a short word and two in a longer one.
func similar(a, b string) bool {
	return caddymodule.Distance(a, b) <= min(len(a), len(b))/4
}
