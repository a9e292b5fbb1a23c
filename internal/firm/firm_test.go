package firm_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/inboxgate/inboxgate/internal/firm"
)

// What is refused is never answered with a success; anything else is left alone.
func TestRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused int
		serve   func(http.ResponseWriter) error
		want    int
		body    string
	}{
		"a page with 200":          {503, func(w http.ResponseWriter) error { _, err := io.WriteString(w, "sorry"); return err }, 503, "sorry"},
		"an explicit 204":          {401, func(w http.ResponseWriter) error { w.WriteHeader(204); return nil }, 401, ""},
		"nothing":                  {404, func(http.ResponseWriter) error { return nil }, 404, ""},
		"a flush":                  {503, func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() }, 503, ""},
		"another error":            {503, func(w http.ResponseWriter) error { w.WriteHeader(418); return nil }, 418, ""},
		"not refused":              {0, func(w http.ResponseWriter) error { w.WriteHeader(204); return nil }, 204, ""},
		"not refused, and nothing": {0, func(http.ResponseWriter) error { return nil }, 200, ""},
	} {
		w := httptest.NewRecorder()
		if err := firm.Run(w, func() int { return c.refused }, c.serve); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if w.Code != c.want || w.Body.String() != c.body {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, w.Body, c.want, c.body)
		}
	}
	failure := errors.New("theirs")
	if err := firm.Run(httptest.NewRecorder(), func() int { return 503 }, func(http.ResponseWriter) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
}
