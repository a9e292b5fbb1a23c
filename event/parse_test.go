package event

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestParseCorpus(t *testing.T) {
	t.Parallel()
	hit := map[error]bool{}
	for _, tt := range corpus {
		body := []byte(tt.body)
		before := bytes.Clone(body)
		ev, err := Parse(body)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if !bytes.Equal(body, before) {
			t.Errorf("%s: Parse changed the body", tt.name)
		}
		if err != nil && (ev.ID != "" || ev.Type != "" || ev.Data != nil || !ev.CreatedAt.IsZero()) {
			t.Errorf("%s: an error and an event: %+v", tt.name, ev)
		}
		hit[tt.want] = true
	}
	for _, r := range reasons {
		if !hit[r] {
			t.Errorf("no body of the corpus is refused because %q", r)
		}
	}
}

func TestParseReadsWhatStands(t *testing.T) {
	t.Parallel()
	body := []byte(`{"\u0069d":"a\/\"\u0031","type":"x.Y_-9","created_at":"2025-01-15T23:30:00.5-05:30","data": {"b" : 1} ,"n":2}`)
	ev, err := Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2025, 1, 16, 5, 0, 0, 5e8, time.UTC)
	if ev.ID != `a/"1` || ev.Type != "x.Y_-9" || ev.CreatedAt != want || string(ev.Data) != `{"b" : 1}` {
		t.Errorf("got %+v with data %s", ev, ev.Data)
	}
	if cap(ev.Data) != len(ev.Data) {
		t.Error("an append to Data would write into the body")
	}
	// The next body through the pool must not touch this one.
	for range 100 {
		if _, err := Parse([]byte(minimal)); err != nil {
			t.Fatal(err)
		}
	}
	if string(ev.Data) != `{"b" : 1}` || ev.ID != `a/"1` {
		t.Error("a later Parse changed an event")
	}
}

func TestMissingMembersAreNoData(t *testing.T) {
	t.Parallel()
	ev, err := Parse([]byte(minimal))
	if err != nil || ev.Data != nil || !ev.CreatedAt.IsZero() {
		t.Errorf("got %+v, %v", ev, err)
	}
	ev, err = Parse([]byte(`{"id":"e","type":"t","data":null}`))
	if err != nil || string(ev.Data) != "null" {
		t.Errorf("data null: got %+v, %v", ev, err)
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range reasons {
		text := Reason(errors.Join(errors.New("private"), r))
		if text != r.Error() || seen[text] || len(text) > 60 {
			t.Errorf("reason %q of %v", text, r)
		}
		seen[text] = true
		for _, c := range []byte(text) {
			if c < ' ' || c > '~' {
				t.Errorf("%q does not fit into a header", text)
			}
		}
	}
	if Reason(nil) != "" || Reason(errors.New("+15551234567")) != "" {
		t.Error("a private error has a public reason")
	}
}

func TestEventLogsNoData(t *testing.T) {
	t.Parallel()
	ev, err := Parse(documented(t)[TypeMessageAction])
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("took", "event", ev, "pointer", &ev)
	}
	if s := out.String(); strings.Contains(s, "1555") || strings.Contains(s, "A-123") || !strings.Contains(s, ev.ID) {
		t.Errorf("logged %s", s)
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range corpus {
		// The deepest ones would make every mutation slow.
		if len(tt.body) < 64<<10 {
			f.Add([]byte(tt.body))
		}
	}
	for _, body := range documented(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ev, err := Parse(body)
		if err != nil {
			if Reason(err) != err.Error() {
				t.Fatalf("the reason of %v is %q", err, Reason(err))
			}
			return
		}
		judgeAccepted(t, body, ev)
	})
}

// judgeAccepted checks an event against the standard library's reading of it.
func judgeAccepted(t *testing.T, body []byte, ev Event) {
	t.Helper()
	dec := stdjson.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("accepted what encoding/json refuses: %v", err)
	}
	if doc["id"] != ev.ID || doc["type"] != ev.Type {
		t.Fatalf("encoding/json reads id %q and type %q, we %q and %q", doc["id"], doc["type"], ev.ID, ev.Type)
	}
	created, has := doc["created_at"]
	if has == ev.CreatedAt.IsZero() {
		t.Fatalf("created_at %v became %v", created, ev.CreatedAt)
	}
	if has {
		text := strings.ToUpper(created.(string))
		plain := strings.Replace(text, ":60", ":59", 1)
		want, err := time.Parse(time.RFC3339, plain)
		if plain != text {
			want = want.Add(time.Second)
		}
		if err != nil || !want.Equal(ev.CreatedAt) {
			t.Fatalf("created_at %v became %v", created, ev.CreatedAt)
		}
	}
	if _, has := doc["data"]; has != (ev.Data != nil) {
		t.Fatalf("data there: %v, ours %s", has, ev.Data)
	}
	if n := len(ev.ID); n < 1 || n > MaxID || strings.ContainsFunc(ev.ID, func(r rune) bool { return r < '!' || r > '~' }) {
		t.Fatalf("id %q is out of bounds", ev.ID)
	}
	if n := len(ev.Type); n < 1 || n > MaxType || strings.Trim(ev.Type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		t.Fatalf("type %q is out of bounds", ev.Type)
	}
	again, err := ev.Marshal()
	if err != nil {
		t.Fatalf("writing it again: %v", err)
	}
	back, err := Parse(again)
	if err != nil || back.ID != ev.ID || back.Type != ev.Type || !back.CreatedAt.Equal(ev.CreatedAt) {
		t.Fatalf("written again it reads %+v, %v", back, err)
	}
}
