package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/nearest"
)

// strays tells of variables with our prefix that nobody reads and that look
// like one that somebody would.
func strays(values map[string]string) (all []string) {
	known := names()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !strings.HasPrefix(name, env.Prefix) || slices.Contains(known, name) {
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

// meant is the known name that name begins or that is a slip of the pen away
// from it, or else the one that shares the most words with it while one of the
// two has no words that the other lacks.
func meant(name string, known []string) (best string) {
	if name == "INBOX_PORT" || name == "INBOX_ADDRESS" || name == "INBOX_HOST" {
		return env.Listen
	}
	if best = slip(name, known, 2); best != "" {
		return best
	}
	if strings.HasPrefix(name, env.Dashboard) { // Not INBOX_LISTEN, whatever else it shares with that.
		known = slices.DeleteFunc(slices.Clone(known), func(k string) bool { return !strings.HasPrefix(k, env.Dashboard) })
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
	if best == "" {
		best = slip(name, known, 3) // INBOX_TRUSTED_PROXY
	}
	return best
}

// slip is the nearest of the known names, at most so many letters away. Among
// equals, one that name begins with, or that begins with name, is meant.
func slip(name string, known []string, most int) (best string) {
	least := most + 1
	for _, k := range known {
		d := nearest.Distance(name, k)
		if d < least || d == least && best != "" && strings.HasPrefix(k, name) && !strings.HasPrefix(best, name) {
			best, least = k, d
		}
	}
	return best
}

func split(name string) []string {
	return strings.Split(strings.TrimPrefix(name, env.Prefix), "_")
}

// similar allows one slip in a short word and two in a longer one.
func similar(a, b string) bool {
	return nearest.Distance(a, b) <= min(len(a), len(b))/4
}
