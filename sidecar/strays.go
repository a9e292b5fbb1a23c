package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
		if best == "" && distance(name, k) <= 2 { // INBOX_DATADIR
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
	return distance(a, b) <= min(len(a), len(b))/4
}

// distance counts the letters to add, drop, change or swap with the next one to
// make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
