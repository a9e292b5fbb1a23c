package cli

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/event"
)

// senderFunc is a sender made of one function.
type senderFunc func(context.Context, message) reply

func (f senderFunc) send(ctx context.Context, m message) reply { return f(ctx, m) }

func TestTriggerRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		tr := trigger{
			triggerOptions: triggerOptions{types: event.Types()[:2], count: 2, duplicate: true, pause: 250 * time.Millisecond, secret: []byte("whsec-0123456789abcdef")},
			out:            newTriggerOutput(io.Discard, false),
			sender: senderFunc(func(context.Context, message) reply {
				at = append(at, time.Since(start))
				return reply{status: http.StatusOK, result: "accepted"}
			}),
		}
		if err := tr.run(t.Context()); err != nil || tr.sent != 8 || tr.wrong != 0 {
			t.Fatalf("sent %d, wrong %d: %v", tr.sent, tr.wrong, err)
		}
		for i, d := range at {
			if want := time.Duration(i/2) * tr.pause; d != want {
				t.Errorf("post %d came after %v, want %v", i, d, want)
			}
		}
	})
}

func TestOverride(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1","data":{"to":"+1555","n":1,"deep":{"a":[1]}},"z":null}`
	for _, tt := range []struct{ set, want string }{
		{"id=evt_2", `{"id":"evt_2","data":{"to":"+1555","n":1,"deep":{"a":[1]}},"z":null}`},
		{"data.to=+1666", `{"id":"evt_1","data":{"to":"+1666","n":1,"deep":{"a":[1]}},"z":null}`},
		{"data.n=2.50", `{"id":"evt_1","data":{"to":"+1555","n":2.50,"deep":{"a":[1]}},"z":null}`},
		{"data.deep.a={\"b\": true}", `{"id":"evt_1","data":{"to":"+1555","n":1,"deep":{"a":{"b": true}}},"z":null}`},
		{"data=null", `{"id":"evt_1","data":null,"z":null}`},
		{"z=", `{"id":"evt_1","data":{"to":"+1555","n":1,"deep":{"a":[1]}},"z":""}`},
		{"z=a=b", `{"id":"evt_1","data":{"to":"+1555","n":1,"deep":{"a":[1]}},"z":"a=b"}`},
		{"new.a\"b=x", `{"id":"evt_1","data":{"to":"+1555","n":1,"deep":{"a":[1]}},"z":null,"new":{"a\"b":"x"}}`},
	} {
		o, err := parseOverride(tt.set)
		if err != nil {
			t.Errorf("%s: %v", tt.set, err)
			continue
		}
		if got, err := o.apply([]byte(body)); err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.set, got, err, tt.want)
		}
	}
}
