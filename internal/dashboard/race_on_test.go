//go:build race

package dashboard_test

// underRace means that all takes ten times as long.
const underRace = true
