package event_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

func TestConstruct(t *testing.T) {
	t.Parallel()
	v, err := verify.New(verify.Key(secret))
	if err != nil {
		t.Fatal(err)
	}
	signed := func(body string) http.Header {
		return http.Header{"x-inbox-signature": {verify.Sign([]byte(secret), []byte(body))}}
	}
	for name, c := range map[string]struct {
		body   string
		header http.Header
		v      event.Verifier
		want   []error // all of them
	}{
		"event":          {plainBody, signed(plainBody), v, []error{nil}},
		"unsigned":       {plainBody, nil, v, []error{event.ErrUnsigned, verify.ErrMissing}},
		"changed":        {plainBody + " ", signed(plainBody), v, []error{event.ErrUnsigned, verify.ErrMismatch}},
		"unsigned, odd":  {"no", signed(plainBody), v, []error{event.ErrUnsigned, verify.ErrMismatch}},
		"odd":            {"no", signed("no"), v, []error{event.ErrNotJSON}},
		"no verifier":    {plainBody, signed(plainBody), nil, []error{event.ErrUnsigned}},
		"verifier's nil": {plainBody, signed(plainBody), (*verify.Verifier)(nil), []error{event.ErrUnsigned, verify.ErrNoSecret}},
	} {
		e, err := event.Construct([]byte(c.body), c.header, c.v)
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		if (err == nil) != (e.ID == "evt_1") {
			t.Errorf("%s: %v beside %v", name, e.ID, err)
		}
		if unsigned := errors.Is(err, event.ErrUnsigned); unsigned && event.Reason(err) != "" {
			t.Errorf("%s: the reason is public: %q", name, event.Reason(err))
		}
	}
}
