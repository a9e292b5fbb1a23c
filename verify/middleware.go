package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
)

// DefaultMaxBody is the longest body, in bytes, that a Middleware reads unless
// told otherwise: 1 MiB.
const DefaultMaxBody = 1 << 20

// Option changes what Middleware does.
type Option func(*guard)

// MaxBody sets the longest body that is read, in bytes. Default
// DefaultMaxBody, which a value below 1 also means.
func MaxBody(n int64) Option {
	return func(g *guard) {
		if n > 0 {
			g.maxBody = n
		}
	}
}

// Middleware lets only signed requests through to a handler. The handler finds
// the verified bytes in r.Body, may read them at its leisure, and learns from
// SignedWith which secret it was. What is refused never reaches it:
//
//	405  any method but POST, the only one the platform uses
//	413  a body longer than MaxBody
//	408  a body that did not come before the server's read deadline
//	400  a body that broke off
//	401  no valid signature, the same for every reason
//
// The signature is checked over the bytes as sent. A Content-Encoding is not
// undone, before or after; the handler gets the same bytes and the header.
// Copies of an event come through: event.Handler drops them.
// How long a sender may take is for http.Server's ReadTimeout to say.
func Middleware(v *Verifier, opts ...Option) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		g := &guard{verifier: v, maxBody: DefaultMaxBody, next: next}
		for _, opt := range opts {
			opt(g)
		}
		return g
	}
}

// SignedWith returns the secret that a request's signature was made with, and
// false if no Middleware let that request through.
func SignedWith(ctx context.Context) (Match, bool) {
	m, ok := ctx.Value(matchKey{}).(Match)
	return m, ok
}

type matchKey struct{}

type guard struct {
	verifier *Verifier
	maxBody  int64
	next     http.Handler
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	body, status := g.read(w, r)
	if status != 0 {
		refuse(w, status)
		return
	}
	match, err := g.verifier.Verify(body, r.Header.Values(Header)...)
	if err != nil {
		refuse(w, http.StatusUnauthorized)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), matchKey{}, match))
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.TransferEncoding = nil
	g.next.ServeHTTP(w, r)
}

// read returns the body, or the status to refuse the request with.
func (g *guard) read(w http.ResponseWriter, r *http.Request) ([]byte, int) {
	if r.ContentLength > g.maxBody {
		return nil, http.StatusRequestEntityTooLarge
	}
	var buf bytes.Buffer
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, g.maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return buf.Bytes(), 0
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout
	}
	return nil, http.StatusBadRequest
}

func refuse(w http.ResponseWriter, status int) {
	http.Error(w, http.StatusText(status), status)
}
