package spooltest

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// identity: a store is the same after every end, and no other is.
func identity(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	first := r.st.Identity()
	for _, e := range endings {
		e.end(r)
		r.open()
		if got := r.st.Identity(); got != first || got == "" {
			t.Errorf("after %s the store is %q, and was %q", e.name, got, first)
		}
	}
	if other := newRig(t, mk, spool.Settings{}); other.st.Identity() == first {
		t.Errorf("two stores have the identity %q", first)
	}
}

// stats: the figures follow what was accepted, caught and kept.
func stats(t testing.TB, mk Make) {
	r := newRig(t, mk, spool.Settings{})
	in := intake(r.event("1"), "a")
	r.want(in, spool.Accepted)
	r.want(in, spool.Duplicate)
	r.want(in, spool.Duplicate)
	r.ok(r.st.Quarantine(bg, r.oddBody(source, "{")), "Quarantine")
	got := r.st.Stats()
	if got.Duplicates != 2 || got.Odd != 1 || got.Quarantine == 0 {
		t.Errorf("%d duplicates, %d odd bodies of %d bytes; want 2, 1, and some bytes", got.Duplicates, got.Odd, got.Quarantine)
	}
	if got.Unavailable != nil || got.Refusing || got.ClockUnset {
		t.Errorf("a store that works says %+v", got)
	}
}
