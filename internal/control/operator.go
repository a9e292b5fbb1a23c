package control

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// operatorHeader names who makes a call. It is believed of callers that are trusted.
const operatorHeader = "X-Inbox-Operator"

const (
	maxOperator = 128 // bytes of a name
	maxReason   = 512 // bytes of a reason
)

type (
	operatorKey struct{}
	reasonKey   struct{}
)

// AsOperator returns a context whose calls are made for that person: each change has
// the name in its line of the audit log, and so has each look at phone numbers. What is
// not printable is left out, and what is longer than 128 bytes is cut.
func AsOperator(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, operatorKey{}, name)
}

// Because returns a context whose changes have that reason in their line of the audit
// log. A reason given to a call itself goes before it.
func Because(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

// reasonOf returns the reason of a context's changes, or else that one.
func reasonOf(ctx context.Context, reason string) string {
	if reason == "" {
		reason, _ = ctx.Value(reasonKey{}).(string)
	}
	return clean(reason, maxReason)
}

// nameCaller writes the name of a context's person into a call.
func nameCaller(r *http.Request) {
	name, _ := r.Context().Value(operatorKey{}).(string)
	if name = clean(name, maxOperator); name != "" {
		r.Header.Set(operatorHeader, name)
	}
}

// operator returns for whom a call is made, empty where it does not say or is not
// trusted.
func (r *request) operator() string {
	if !r.trusted {
		return ""
	}
	return clean(r.Header.Get(operatorHeader), maxOperator)
}

// clean returns what is printable of a text, most bytes of it at most. A control
// character would make two lines of one in a log, or turn one round.
func clean(text string, most int) string {
	text = strings.TrimSpace(strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, text))
	for len(text) > most {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return strings.TrimSpace(text)
}

// audit logs a change, why it was made, for whom, and where the call came from.
func (a *api) audit(r *request, what, reason string, args ...any) {
	line := append([]any{"change", what}, r.who()...)
	if reason = clean(reason, maxReason); reason != "" {
		line = append(line, "reason", reason)
	}
	a.Audit.InfoContext(r.Context(), "operator changed something", append(line, args...)...)
}

// auditReveal logs that phone numbers were shown to a person. Commands name none: who
// may call them may read the store.
func (a *api) auditReveal(r *request, rec spool.Record) {
	if r.operator() == "" {
		return
	}
	line := append(r.who(), "source", rec.Event.Source, "event_id", rec.Event.ID, "number", rec.Event.Seq)
	a.Audit.InfoContext(r.Context(), "operator saw phone numbers", line...)
}

// who returns what a line of the audit log has of a call.
func (r *request) who() []any {
	from := r.RemoteAddr
	if from == "" || from == "@" {
		from = "unix socket"
	}
	if inside, _ := r.Context().Value(trustedKey{}).(bool); inside {
		from = "this process"
	}
	line := []any{"from", from, "at", time.Now().UTC()}
	if name := r.operator(); name != "" {
		line = append(line, "user", name)
	}
	return line
}
