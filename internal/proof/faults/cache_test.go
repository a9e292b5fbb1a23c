package faults

import (
	"net/http"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// The cache in front of the store may forget everything, or take every id for
// every other: each id is accepted once all the same, and none for another.
func TestFaultCache(t *testing.T) {
	t.Parallel()
	const file = "dedupe/cache.go"
	for _, c := range []struct {
		row         int
		fault       string
		replacement rig.Replacement
	}{
		{26, "the cache drops every id", rig.Replacement{
			File: file,
			Old:  "{ r.c.Set(key, e, 1) }",
			New:  "{}",
		}},
		{27, "all ids have one hash", rig.Replacement{
			File: file,
			Old:  "BufferItems: 64,",
			New:  "BufferItems: 64, KeyToHash: func(string) (uint64, uint64) { return 1, 0 },",
		}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			const copies = 8
			r := rig.New(t, rig.Options{Binary: rig.Overlay(t, []rig.Replacement{c.replacement})})
			r.Start()
			var sends []history.Event
			for range 500 {
				e := r.Event(event.TypeMessageFailed)
				for range copies {
					sends = append(sends, e)
				}
			}
			for range 5 {
				for i, a := range r.SendAll(t.Context(), sends) {
					if a.Status != http.StatusOK {
						t.Fatalf("%s: answered %d %v", sends[i].ID, a.Status, a.Err)
					}
				}
			}
			r.Settle()
			if code := r.Stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			r.Books()
			r.Report([]int{c.row}, c.fault, 1)
		})
	}
}

// The cache is closed when the directive leaves the configuration, while
// requests that use it are under way, and a new one is made when it is back.
func TestFaultCacheClosedDuringRequests(t *testing.T) {
	t.Parallel()
	// Without the directive there is no webhook: 404, and the platform retries.
	r := rig.New(t, rig.Options{Rules: history.Rules{Statuses: []int{http.StatusNotFound}}})
	with, without := r.Caddyfile(""), r.Site("")
	r.Start()
	stop := r.Background(64)
	rounds := rig.Rounds(8, 200)
	for range rounds {
		r.AwaitAcked(50)
		if !r.Reload(without) || !r.Reload(with) {
			t.Fatal("a reload was refused")
		}
	}
	r.AwaitAcked(50)
	stop()
	r.Settle()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.Books()
	r.Report([]int{18, 28}, "the cache is closed during requests", rounds)
}
