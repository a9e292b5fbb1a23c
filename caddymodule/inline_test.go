package caddymodule_test

import (
	"fmt"
	"testing"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// The one-line form keeps what waits when the app's port changes, and takes over
// what a store of an earlier version has under the address.
func TestOneLineKeepsItsBacklog(t *testing.T) {
	t.Setenv("INBOX_WEBHOOK_SECRET", secret)
	in := start(t, "", "inbox_webhook /hook {\nname kept\nto 127.0.0.1:1\n}") // The route is named as it was once.
	var ids []string
	send := func() {
		id, body := sample(t, "message.read")
		ids = append(ids, id)
		post(t, in.url("/hook"), body)
	}
	send()
	one := "inbox_webhook /hook %s {\nname kept\n}"
	in.mustLoad(fmt.Sprintf(one, "127.0.0.1:1"))
	send()
	app := newApp(t, nil)
	in.mustLoad(fmt.Sprintf(one, app.addr()))
	for _, id := range ids {
		app.await(t, id)
	}
	states, err := in.store().Routes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Key != (spool.RouteKey{Source: "kept", Route: "default"}) {
			t.Errorf("the store knows route %v", s.Key)
		}
	}
}
