package verify

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// seen is what the handler behind the middleware got.
type seen struct {
	calls  int
	body   []byte
	length int64
	match  Match
	ok     bool
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls++
	s.body, _ = io.ReadAll(r.Body)
	s.length = r.ContentLength
	s.match, s.ok = SignedWith(r.Context())
	_, _ = io.WriteString(w, "OK")
}

func TestMiddlewarePasses(t *testing.T) {
	t.Parallel()
	v := mustNew(t, Key(otherKey), Secret{Key: []byte(testKey), Label: "old"})
	var got seen
	srv := httptest.NewServer(Middleware(v)(&got))
	defer srv.Close()

	for _, chunked := range []bool{false, true} {
		var body io.Reader = bytes.NewReader(testBody)
		if chunked {
			body = io.MultiReader(body) // hides the length
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Add(Header, "nonsense")
		req.Header.Add(Header, Sign([]byte(testKey), testBody))
		// Raw bytes are what is signed, so this changes nothing.
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("chunked %v: got %s", chunked, resp.Status)
		}
		if !bytes.Equal(got.body, testBody) || got.length != int64(len(testBody)) {
			t.Errorf("chunked %v: handler read %q, length %d", chunked, got.body, got.length)
		}
		if !got.ok || got.match != (Match{Index: 1, Label: "old"}) {
			t.Errorf("chunked %v: signed with %+v, %v", chunked, got.match, got.ok)
		}
	}
}

func TestMiddlewareRefuses(t *testing.T) {
	t.Parallel()
	const limit = 100
	fits, tooLong := bytes.Repeat([]byte("x"), limit), bytes.Repeat([]byte("x"), limit+1)
	signed := func(b []byte) []string { return []string{Sign([]byte(testKey), b)} }
	tests := []struct {
		name   string
		method string
		body   io.Reader
		header []string
		want   int
	}{
		{"longest body", http.MethodPost, bytes.NewReader(fits), signed(fits), 200},
		{"get", http.MethodGet, nil, signed(nil), 405},
		{"put", http.MethodPut, bytes.NewReader(fits), signed(fits), 405},
		{"too long by its length", http.MethodPost, bytes.NewReader(tooLong), signed(tooLong), 413},
		{"too long, chunked", http.MethodPost, io.MultiReader(bytes.NewReader(tooLong)), signed(tooLong), 413},
		{"too slow", http.MethodPost, failing{os.ErrDeadlineExceeded}, signed(fits), 408},
		{"broke off", http.MethodPost, failing{io.ErrUnexpectedEOF}, signed(fits), 400},
		{"no signature", http.MethodPost, bytes.NewReader(fits), nil, 401},
		{"malformed", http.MethodPost, bytes.NewReader(fits), []string{"zz"}, 401},
		{"mismatch", http.MethodPost, bytes.NewReader(fits), signed(tooLong), 401},
	}
	unauthorized := map[string]bool{}
	for _, tt := range tests {
		var got seen
		h := Middleware(mustNew(t, Key(testKey)), MaxBody(limit))(&got)
		req := httptest.NewRequest(tt.method, "/", tt.body)
		for _, s := range tt.header {
			req.Header.Add(Header, s)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, rec.Code, tt.want)
		}
		if called := got.calls > 0; called != (tt.want == 200) {
			t.Errorf("%s: handler called: %v", tt.name, called)
		}
		switch tt.want {
		case 405:
			if rec.Header().Get("Allow") != http.MethodPost {
				t.Errorf("%s: no Allow header", tt.name)
			}
		case 401:
			var head strings.Builder
			_ = rec.Result().Header.Write(&head)
			unauthorized[head.String()+rec.Body.String()] = true
		}
	}
	if len(unauthorized) != 1 {
		t.Errorf("the answers 401 differ: %v", unauthorized)
	}
}

func TestMiddlewareDefaultLimit(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{DefaultMaxBody: 200, DefaultMaxBody + 1: 413} {
		for _, opts := range [][]Option{nil, {MaxBody(0)}, {MaxBody(-1)}} {
			body := make([]byte, size)
			req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			req.Header.Set(Header, Sign([]byte(testKey), body))
			rec := httptest.NewRecorder()
			Middleware(mustNew(t, Key(testKey)), opts...)(&seen{}).ServeHTTP(rec, req)
			if rec.Code != want {
				t.Errorf("%d bytes: got %d, want %d", size, rec.Code, want)
			}
		}
	}
}

func TestSignedWithOutside(t *testing.T) {
	t.Parallel()
	if m, ok := SignedWith(t.Context()); ok {
		t.Errorf("got %+v without a middleware", m)
	}
}

// failing is a body that breaks off after a few bytes.
type failing struct{ err error }

func (f failing) Read(p []byte) (int, error) {
	return copy(p, "abc"), f.err
}
