package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

// oddBodies are signed and no usable events, or events that no header can carry.
func oddBodies() map[string]string {
	event := func(id, typ string) string { return fmt.Sprintf(`{"id":%s,"type":%s,"data":{}}`, id, typ) }
	deep := strings.Repeat(`[`, 10000) + strings.Repeat(`]`, 10000)
	return map[string]string{
		"equal keys":              `{"id":"evt_a","id":"evt_b","type":"message.read"}`,
		"equal keys, escaped":     `{"id":"evt_a","\u0069d":"evt_b","type":"message.read"}`,
		"mixed case":              `{"ID":"evt_a","Type":"message.read"}`,
		"BOM":                     "\xef\xbb\xbf" + event(`"evt_a"`, `"message.read"`),
		"UTF-16":                  "\xff\xfe{\x00}\x00",
		"bad UTF-8":               event("\"evt_\xff\"", `"message.read"`),
		"lone surrogate":          event(`"evt_\ud800"`, `"message.read"`),
		"10,000 levels":           `{"id":"evt_a","type":"message.read","data":` + deep + `}`,
		"10,000 open objects":     strings.Repeat(`{"a":`, 10000),
		"two events":              event(`"evt_a"`, `"message.read"`) + event(`"evt_b"`, `"message.read"`),
		"a huge id":               event(`"`+pad(100000)+`"`, `"message.read"`),
		"a huge type":             event(`"evt_a"`, `"`+pad(100000)+`"`),
		"a huge number":           `{"id":` + strings.Repeat("9", 100000) + `,"type":"message.read"}`,
		"CR LF in the id":         event(`"evt_a\r\nX-Forged: yes"`, `"message.read"`),
		"a line of log in the id": event(`"evt_a\n{\"level\":\"error\",\"msg\":\"forged\"}"`, `"message.read"`),
		"an escape in the type":   event(`"evt_a"`, `"\u001b[2J\u001b[31mforged"`),
		"a bell in the id":        event(`"evt_\u0007"`, `"message.read"`),
		"a zero byte":             event(`"evt_\u0000"`, `"message.read"`),
		"right to left":           event(`"evt_\u202egpj"`, `"message.read"`),
		"a line separator":        event(`"evt_\u2028"`, `"message.read"`),
		"raw escapes":             event("\"evt_\x1b[31m\"", `"message.read"`),
		"no JSON":                 "id=evt_a&type=message.read",
		"nothing":                 "",
	}
}

// Odd bodies go to quarantine, and what they hold cannot break out of a line of
// the log, whatever path, method or header it came with.
func TestFaultOddBodies(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Options{Global: "log {\n\tlevel DEBUG\n}", Site: "log"})
	l := r.Start()
	rounds := rig.Rounds(3, 100)
	for n := range rounds {
		for name, body := range oddBodies() {
			e := odd(name, []byte(body))
			e.Key += fmt.Sprint(n)
			e.ID = "evt_a" // Quarantine keeps the id where it is beyond doubt.
			if n > 0 {
				e.Body = []byte(body + strings.Repeat(" ", n))
				e.Signature = rig.Sign(e.Body)
			}
			if a := r.Send(t.Context(), e); a.Result != "quarantined" || strings.ContainsAny(a.Reason, "\r\n\x1b") {
				t.Errorf("%s: answered %d %q %q", name, a.Status, a.Result, a.Reason)
			}
		}
		wantOK(t, r, r.Event(event.TypeMessageRead))
	}
	e := r.Event(event.TypeMessageRead)
	const esc = "\x1b[31m\xff\xe2\x80\xa8"
	for _, text := range []string{
		"POST /a%0d%0a{%22level%22:%22error%22}%1b[31m HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
		"POST /" + esc + " HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
		"POST " + rig.Path + "?a=" + esc + " HTTP/1.1\r\nHost: h\r\nUser-Agent: " + esc + "\r\nContent-Length: 0\r\n\r\n",
		strings.Replace(whole(r, forged(e, "log")), "sha256=", "sha256="+esc, 1),
		"\x1b[2JPOST / HTTP/1.1\r\nHost: \x1b[31m\r\n\r\n",
	} {
		for _, a := range answersTo(t, r.Listen, strings.Replace(text, "Host: h", "Host: "+r.Listen, 1)) {
			if a.StatusCode < http.StatusBadRequest {
				t.Errorf("%q was answered %d", text, a.StatusCode)
			}
		}
	}
	r.AwaitAll()
	if code := r.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	output := l.Output()
	wantJSONLog(t, output)
	if strings.ContainsAny(output, "\x1b\x07\x00\r") {
		t.Error("a control character is in the log")
	}
	if books := r.Books(); len(books.Quarantine) != rounds*len(oddBodies()) {
		t.Errorf("%d entries in quarantine, want %d", len(books.Quarantine), rounds*len(oddBodies()))
	}
	r.Report([]int{40, 56, 57}, "odd and hostile JSON, CR, LF and escapes", rounds)
}
