package dashboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
)

const (
	// formLife is how long a form may lie open before it is sent.
	formLife = 12 * time.Hour
	// mostForms is how many sent forms are remembered.
	mostForms = 10000
)

// forms knows the forms that were sent, so that each is done once. A form that is only
// shown costs nothing: its token carries its time and a code that nobody else can make.
type forms struct {
	key [32]byte

	mu   sync.Mutex // guards sent
	sent map[string]*sentForm
}

// sentForm is a form that was sent.
type sentForm struct {
	at   time.Time
	done chan struct{} // closed when where is set
	// where leads to what came of it, empty where it failed.
	where string
}

func newForms() *forms {
	f := &forms{sent: map[string]*sentForm{}}
	_, _ = rand.Read(f.key[:]) // It cannot fail.
	return f
}

// token returns a new token for a form.
func (f *forms) token(now time.Time) string {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.Unix()))
	_, _ = rand.Read(b[8:])
	return base64.RawURLEncoding.EncodeToString(append(b[:], f.code(b[:])...))
}

func (f *forms) code(b []byte) []byte {
	h := hmac.New(sha256.New, f.key[:])
	h.Write(b)
	return h.Sum(nil)[:16]
}

// valid reports whether a token is one of ours and not too old.
func (f *forms) valid(token string, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 24+16 || !hmac.Equal(b[24:], f.code(b[:24])) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	return age < formLife
}

var (
	errStaleForm = &control.Error{Status: http.StatusConflict, Message: "this form is from before a restart, or older than 12 hours: nothing was changed; open its page again"}
	errManyForms = &control.Error{Status: http.StatusServiceUnavailable, Message: "too many forms were sent in the last hours: nothing was changed; try again later, or use the commands"}
)

// once calls do for the first form of a token, and returns where its outcome is seen. The
// same form again waits for the first and returns the same. A form that failed may be
// sent again.
func (f *forms) once(r *http.Request, now time.Time, do func() (string, error)) (string, error) {
	token := r.PostFormValue("form")
	if !f.valid(token, now) {
		return "", errStaleForm
	}
	f.mu.Lock()
	if before := f.sent[token]; before != nil {
		f.mu.Unlock()
		select {
		case <-before.done:
		case <-r.Context().Done():
			return "", r.Context().Err()
		}
		if before.where == "" {
			return "", errStaleForm
		}
		return before.where, nil
	}
	if len(f.sent) >= mostForms && !f.forgetOld(now) {
		f.mu.Unlock()
		return "", errManyForms
	}
	mine := &sentForm{at: now, done: make(chan struct{})}
	f.sent[token] = mine
	f.mu.Unlock()
	defer close(mine.done)

	where, err := do()
	if err != nil {
		f.mu.Lock()
		delete(f.sent, token)
		f.mu.Unlock()
		return "", err
	}
	mine.where = where
	return where, nil
}

// forgetOld forgets forms whose tokens are no longer valid, and reports whether there
// were any.
func (f *forms) forgetOld(now time.Time) bool {
	before := len(f.sent)
	for token, s := range f.sent {
		if now.Sub(s.at) > formLife {
			delete(f.sent, token)
		}
	}
	return len(f.sent) < before
}
