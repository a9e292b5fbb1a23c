package demo_test

import (
	"os"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/proctest"
)

// The keys of a terminal switch as the desk does, and q ends the demo.
func TestKeysOfATerminal(t *testing.T) {
	tty, user := proctest.Terminal(t)
	s := stand(t, tty)
	s.out.await(t, "app: [u]p [d]own")
	types := func(keys string) {
		t.Helper()
		if _, err := user.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	types("d")
	s.out.await(t, "app is down: its port is closed.")
	types("2")
	s.route("app", "is held", func(r control.Route) bool { return r.Hold != nil && r.Waiting == 20 })
	types("u")
	s.route("app", "has caught up", func(r control.Route) bool { return r.Hold == nil && r.Waiting+r.Running == 0 })
	types("q")
	s.out.await(t, "Stopped.\n")
	s.isOver()
}

// What is no terminal is not read: it may be the input of the script around.
func TestKeysOfAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
	})
	s := stand(t, r)
	if _, err := w.WriteString("dq"); err != nil {
		t.Fatal(err)
	}
	s.press("send", "wave", "one")
	s.until("one more was sent", func() bool { return strings.Contains(s.page(s.desk), "27 events sent") })
	s.route("app", "is up", func(r control.Route) bool { return r.Hold == nil && r.Waiting+r.Running == 0 })
	s.quit()
	s.isOver()
	b := make([]byte, 8)
	if n, err := r.Read(b); err != nil || string(b[:n]) != "dq" {
		t.Errorf("left in the pipe: %q, %v", b[:n], err)
	}
}
