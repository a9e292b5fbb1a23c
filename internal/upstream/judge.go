package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/deliver"
	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/via"
)

// judge returns what became of a try. A final status that was read decides, however
// its body went on. Success is never a missing error alone: an empty chain writes
// nothing, a cancelled one writes 499.
func (t *Try) judge(ctx context.Context) deliver.Answer {
	rec, err := t.rec, t.failed.Err
	cause := context.Cause(ctx)
	a := deliver.Answer{
		Reach:      deliver.Answered,
		Status:     rec.status,
		RetryAfter: parseRetryAfter(rec.header.Get("Retry-After"), time.Now()),
		Response:   rec.kept,
	}
	ended := cause != nil || t.stage.Load() == givenUp
	if a.Status != 0 && (err == nil || errors.Is(err, ErrCut) || ended || rec.full) && !(ended && a.Status == statusCancelled) {
		if isLoop(rec) {
			a.Reach, a.Err = deliver.Unreached, errOwnListener
		}
		return a
	}
	if ended {
		a.Status = 0
	}
	switch {
	case cause != nil && !errors.Is(cause, context.DeadlineExceeded):
		a.Reach, a.Err = deliver.Aborted, cause
	case t.slow():
		a.Reach, a.Err = deliver.Unreached, errPatience
	case ended:
		a.Reach, a.Err = deliver.Broken, errTimeout
		if t.kept() || t.failed.unreached() {
			a.Reach, a.Err = deliver.Unreached, errors.New("the upstream took no connection in time")
		}
	case err == nil:
		a.Err = errors.New("the handlers wrote no answer")
	default:
		t.explain(&a)
	}
	return a
}

var errOwnListener = errors.New("the address leads back to inboxgate's own listener, or to another that sends here: name the app's own address")

// isLoop reports whether an answer is that of a webhook to its own delivery.
func isLoop(rec *Recorder) bool {
	return rec.status == http.StatusLoopDetected && rec.header.Get("X-Inbox-Reason") == via.Reason
}

// errTimeout is what an operator reads of an app that needs longer than its route
// gives it.
var errTimeout = fmt.Errorf("the upstream did not answer in time: let it answer first and work later, or set a longer `timeout` for the route (%s for all routes of the sidecar)", env.Timeout)

// statusCancelled is what Caddy writes where a request was cancelled.
const statusCancelled = 499

// explain judges the handlers' error.
func (t *Try) explain(a *deliver.Answer) {
	f := t.failed
	a.Err = withFix(f.Err)
	given := f.Handler && !errors.Is(f.Err, ErrCut)
	switch {
	case f.unreached(), t.kept() && given && f.Status == http.StatusBadGateway:
		a.Reach = deliver.Unreached
	case !given:
		a.Reach = deliver.Broken
	case f.Status == http.StatusBadGateway, f.Status == http.StatusGatewayTimeout, f.Status == statusCancelled:
		a.Reach = deliver.Broken
	case f.Status == http.StatusLoopDetected:
		a.Reach, a.Status, a.Err = deliver.Unreached, f.Status, errOwnListener
	case a.Status == 0 || a.Status/100 == 2:
		a.Status = f.Status // A handler that failed behind a 2xx has not succeeded.
	}
}

// withFix adds the fix where one is known.
func withFix(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w: if the app's certificate is of an authority of your own, name its file in SSL_CERT_FILE, or say `tls_trust_pool file <path>` in the http transport of a handle block", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w: name the upstream as its certificate does, or say `tls_server_name <name>` in the http transport of a handle block", err)
	}
	return err
}

// unreached reports whether the error alone says that the app cannot have seen
// anything.
func (f Failure) unreached() bool {
	if f.Err == nil || f.Dial {
		return f.Dial
	}
	text := f.Err.Error()
	if strings.Contains(text, "no upstreams available") {
		return true
	}
	// In TLS 1.3 our side of the handshake has ended before the app's TLS has
	// looked at our certificate. Any other alert after the handshake may follow
	// what the app has done.
	return strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate")
}

func parseRetryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if s, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(0, min(s, 1<<20))) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
