package event

import (
	"testing"
	"time"
)

// Of a body that is refused, what is beyond doubt is known.
func TestSure(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC)
	const when = `"created_at":"2025-01-15T10:30:00Z"`
	for name, c := range map[string]struct {
		body string
		want Event
	}{
		"sound":                    {`{"id":"e","type":"t",` + when + `}`, Event{ID: "e", Type: "t", CreatedAt: at}},
		"byte order mark":          {"\ufeff" + `{"id":"e","type":"t",` + when + `}`, Event{ID: "e", Type: "t", CreatedAt: at}},
		"Latin-1 in data":          {`{"id":"e","type":"t","data":"caf` + "\xe9" + ` au lait"}`, Event{ID: "e", Type: "t"}},
		"bad UTF-8 before a quote": {`{"data":"` + "\xc3" + `","id":"e","type":"t"}`, Event{}},
		"overlong quote":           {`{"data":"` + "\xc0\xa2" + `","id":"e","type":"t"}`, Event{}},
		"created_at a number":      {`{"id":"e","type":"t","created_at":1736937003}`, Event{ID: "e", Type: "t"}},
		"created_at null":          {`{"id":"e","type":"t","created_at":null}`, Event{ID: "e", Type: "t"}},
		"data twice":               {`{"id":"e","type":"t",` + when + `,"data":1,"data":2}`, Event{ID: "e", Type: "t", CreatedAt: at}},
		"created_at twice":         {`{"id":"e","type":"t",` + when + `,` + when + `}`, Event{ID: "e", Type: "t"}},
		"type twice":               {`{"id":"e","type":"t","type":"u"}`, Event{ID: "e"}},
		"id twice":                 {`{"id":"e","id":"f","type":"t"}`, Event{Type: "t"}},
		"id twice, by escape":      {`{"id":"e","\u0069d":"f","type":"t"}`, Event{Type: "t"}},
		"no id":                    {`{"type":"t",` + when + `}`, Event{Type: "t", CreatedAt: at}},
		"id a number":              {`{"id":7,"type":"t"}`, Event{Type: "t"}},
		"no type":                  {`{"id":"e"}`, Event{ID: "e"}},
		"type with a star":         {`{"id":"e","type":"message.*"}`, Event{ID: "e"}},
		"cut off":                  {`{"id":"e","type":"t"`, Event{}},
		"a second document":        {`{"id":"e","type":"t"}{"id":"f","type":"u"}`, Event{}},
		"a blank and a mark":       {" \ufeff" + `{"id":"e","type":"t"}`, Event{}},
		"two marks":                {"\ufeff\ufeff" + `{"id":"e","type":"t"}`, Event{}},
		"array":                    {`[{"id":"e","type":"t"}]`, Event{}},
		"too deep":                 {deep(10001), Event{}},
		"empty":                    {"", Event{}},
	} {
		got := Sure([]byte(c.body))
		if got.ID != c.want.ID || got.Type != c.want.Type || !got.CreatedAt.Equal(c.want.CreatedAt) || got.Data != nil {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestLeapSecond(t *testing.T) {
	t.Parallel()
	ev, err := Parse([]byte(`{"id":"e","type":"t","created_at":"2016-12-31t15:59:60.25-08:00"}`))
	if want := time.Date(2017, 1, 1, 0, 0, 0, 250e6, time.UTC); err != nil || !ev.CreatedAt.Equal(want) {
		t.Errorf("got %v, %v, want %v", ev.CreatedAt, err, want)
	}
}
