package event

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func TestSampleHasTheDocumentedShape(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 999, time.FixedZone("", 3600))
	for typ, doc := range documented(t) {
		ev, err := Sample(typ, now, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := ev.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, ev) || ev.Type != typ {
			t.Errorf("%s: marshalled and parsed:\n got %+v\nwant %+v", typ, back, ev)
		}
		if !ev.CreatedAt.Equal(now.Truncate(time.Second)) {
			t.Errorf("%s: created at %s, want %s", typ, ev.CreatedAt, now)
		}
		if got, want := shape(t, body), shape(t, doc); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: shape\n got %v\nwant %v", typ, got, want)
		}
		payload, err := ev.Payload()
		if err != nil || reflect.ValueOf(payload).FieldByName("To").String() != "+15551234567" {
			t.Errorf("%s: payload %v, %v", typ, payload, err)
		}
	}
}

// shape is a document with each value replaced by its kind: times and ids by
// their look, so that only what may differ is let go.
func shape(t *testing.T, body []byte) any {
	t.Helper()
	var doc any
	if err := stdjson.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				v[name] = walk(v[name])
			}
			return v
		case string:
			if _, err := time.Parse("2006-01-02T15:04:05Z", v); err == nil {
				return "a time"
			}
			if len(v) > 4 && (v[:4] == "evt_" || v[:4] == "msg_" || v[:4] == "dev_") {
				return v[:4]
			}
		}
		return v
	}
	return walk(doc)
}

func TestSampleIDs(t *testing.T) {
	t.Parallel()
	now := time.Unix(1.7e9, 0)
	seen := map[string]bool{}
	for range 1000 {
		ev, err := Sample(TypeMessageRead, now, nil)
		if err != nil {
			t.Fatal(err)
		}
		if seen[ev.ID] {
			t.Fatalf("id %s came twice", ev.ID)
		}
		seen[ev.ID] = true
	}
	sample := func(seed byte) Event {
		ev, err := Sample(TypeMessageRead, now, rand.NewChaCha8([32]byte{seed}))
		if err != nil {
			t.Fatal(err)
		}
		return ev
	}
	if a, b := sample(1), sample(1); !reflect.DeepEqual(a, b) {
		t.Errorf("the same random bytes gave %s and %s", a.ID, b.ID)
	}
	if a, b := sample(1), sample(2); a.ID == b.ID || bytes.Equal(a.Data, b.Data) {
		t.Error("other random bytes gave the same event")
	}
}

func TestSampleErrors(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"", "message.sent", "message.*"} {
		if _, err := Sample(typ, time.Now(), nil); !errors.Is(err, ErrUnknownType) {
			t.Errorf("%q: got %v", typ, err)
		}
	}
	if _, err := Sample(TypeMessageRead, time.Now(), bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("no random bytes: got %v", err)
	}
}

func TestMarshalRefusesWhatParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ev   Event
		want error
	}{
		{Event{Type: "t"}, ErrIDMissing},
		{Event{ID: "e"}, ErrTypeMissing},
		{Event{ID: "a b", Type: "t"}, ErrIDBytes},
		{Event{ID: "e", Type: "*"}, ErrTypeBytes},
		{Event{ID: "e", Type: "t", CreatedAt: time.Unix(-1, 0)}, ErrCreatedAtRange},
	}
	for _, tt := range tests {
		if body, err := tt.ev.Marshal(); body != nil || !errors.Is(err, tt.want) {
			t.Errorf("%+v: got %s, %v; want %v", tt.ev, body, err, tt.want)
		}
	}
}
