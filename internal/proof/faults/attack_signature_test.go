package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
	"github.com/inboxgate/inboxgate/verify"
)

// signatures are header lines that are refused for a body, and values of one
// line that are taken.
func signatures(body []byte) (bad, good map[string]string) {
	right := rig.Sign(body)
	hexed := strings.TrimPrefix(right, "sha256=")
	line := func(values ...string) string {
		var b strings.Builder
		for _, v := range values {
			b.WriteString(verify.Header + ": " + v + "\r\n")
		}
		return b.String()
	}
	zero := strings.Repeat("0", 64)
	bad = map[string]string{
		"none": "", "empty": line(""), "blank": line("   "), "prefix alone": line("sha256="),
		"half": line("sha256=" + hexed[:32]), "one digit short": line(right[:len(right)-1]), "one digit long": line(right + "0"),
		"no hex": line("sha256=" + strings.Repeat("z", 64)), "zeros": line(zero), "sha1": line("sha1=" + hexed),
		"prefix twice": line("sha256=" + right), "prefix inside": line(hexed[:32] + "sha256=" + hexed[32:]),
		"empty key": line(verify.Sign(nil, body)), "another key": line(verify.Sign([]byte("another secret of the tests"), body)),
		"of another body": line(rig.Sign(append(bytes.Clone(body), '\n'))), "nine in a list": line(strings.Repeat(zero+",", 8) + right),
		"nine lines": line(zero, zero, zero, zero, zero, zero, zero, zero, right), "6 KiB": line(strings.Repeat(zero, 100) + hexed),
		"underscores": "X_Inbox_Signature: " + right + "\r\n", "dots": "X.Inbox.Signature: " + right + "\r\n",
		"another header": "X-Inbox-Verified: true\r\nX-Hub-Signature-256: " + right + "\r\n",
	}
	good = map[string]string{
		"as documented": right, "bare": hexed, "upper case": strings.ToUpper(hexed),
		"in a list": "nonsense, " + right, "eighth of a list": strings.Repeat(zero+",", 7) + right,
	}
	return bad, good
}

// Every signature that is not right is refused, byte for byte in the same way,
// and what it came with has left no trace: the real event of the id is new.
func TestFaultSignatures(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	r.Start()
	e := r.Event(event.TypeMessageRead)
	bad, _ := signatures(e.Body)
	request := func(lines string, body []byte) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
			rig.Path, r.Listen, lines, len(body), body)
	}
	first := ""
	for name, lines := range bad {
		f := forged(e, name)
		f.Signature = lines
		r.Log.Sending(f, r.Life().N)
		answers := answersTo(t, r.Listen, request(lines, e.Body))
		if len(answers) != 1 {
			t.Errorf("%s: %d answers", name, len(answers))
			continue
		}
		a := answers[0]
		raw(r, f, a.StatusCode)
		a.Header.Del("Date")
		text, _ := io.ReadAll(a.Body) // Of a buffer.
		said := fmt.Sprint(a.Status, a.Header, string(text))
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", name, a.StatusCode)
		}
		if first == "" {
			first = said
		}
		if said != first {
			t.Errorf("%s: answered otherwise than another forgery:\n%s\n%s", name, said, first)
		}
	}
	wantOK(t, r, e)
	_, good := signatures(nil)
	for name := range good {
		e := r.Event(event.TypeMessageRead)
		_, values := signatures(e.Body)
		e.Signature = values[name] // The app gets what was sent, whatever it looks like.
		r.Log.Sending(e, r.Life().N)
		answers := answersTo(t, r.Listen, request(strings.ToLower(verify.Header)+": "+e.Signature+"\r\n", e.Body))
		if len(answers) != 1 || answers[0].StatusCode != http.StatusOK {
			t.Errorf("%s was refused: %v", name, answers)
			continue
		}
		r.Log.Answered(e.ID, history.Answer{Life: r.Life().N, Status: http.StatusOK, Result: answers[0].Header.Get("X-Inbox-Result")})
	}
	await(t, r, "all good events at the app", func() bool { return r.Log.Arrivals(0) >= len(good)+1 })
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := len(r.Books().Events); n != len(good)+1 {
		t.Errorf("the store has %d events, want %d", n, len(good)+1)
	}
	r.Report([]int{41, 42, 44, 46, 47}, "signatures that are not right", len(bad)+len(good))
}

// Unsigned requests with the ids of events to come change nothing: the real
// events are new, and the first signed body of an id wins.
func TestFaultPoisonedIDs(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{})
	r.Start()
	n := rig.Rounds(200, 5000)
	var poison, genuine, conflicts []history.Event
	for range n {
		e := r.Event(event.TypeMessageRead)
		genuine = append(genuine, e)
		bare := forged(e, "unsigned")
		bare.Signature = ""
		other := forged(e, "another body")
		other.Body = bytes.Replace(e.Body, []byte("+1"), []byte("+2"), 1)
		poison = append(poison, bare, other)
		signed := odd(e.ID+" conflict", other.Body)
		signed.ID = e.ID
		conflicts = append(conflicts, signed)
	}
	for i, a := range r.SendAll(t.Context(), poison) {
		if a.Status != http.StatusUnauthorized {
			t.Errorf("%s was answered %d", poison[i].Key, a.Status)
		}
	}
	for i, a := range r.SendAll(t.Context(), genuine) {
		if a.Result != "accepted" {
			t.Errorf("%s was answered %d %q after its forgeries", genuine[i].ID, a.Status, a.Result)
		}
	}
	for i, a := range r.SendAll(t.Context(), conflicts) {
		if a.Result != "quarantined" {
			t.Errorf("%s was answered %d %q", conflicts[i].Key, a.Status, a.Result)
		}
	}
	r.AwaitAll()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	books := r.Books()
	if len(books.Events) != n || len(books.Quarantine) != n {
		t.Errorf("the store has %d events and %d entries in quarantine, want %d of each", len(books.Events), len(books.Quarantine), n)
	}
	r.Report([]int{48, 50}, "ids of events to come, unsigned or with another body", n)
}
