//go:build !race

package dashboard_test

const underRace = false
