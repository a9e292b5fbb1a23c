package emulator

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

func having(s State, fault string) (sent []Sent) {
	for _, one := range s.Sent {
		if slices.ContainsFunc(one.Faults, func(f string) bool { return f == fault || strings.HasPrefix(f, fault+":") }) {
			sent = append(sent, one)
		}
	}
	return sent
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Every kind of fault over real HTTP, judged by what the receiver saw.
func TestFaultsArriveAsTheySay(t *testing.T) {
	t.Parallel()
	s := newSink(t, nil)
	e := open(t, Options{Speed: 100_000})
	w := hook(t, e, s.URL)
	s.know(t, w)
	const count = 200
	j := send(t, e, SendRequest{
		Count: count, Seed: 7, Duplicates: 0.1, Reorder: 0.1, UnknownTypes: 0.1, Odd: 0.1, Slow: 0.05, Drip: "80ms", Cut: 0.1,
		BadSignature: 0.2, WrongSecret: 0.05,
	})
	wait(t, e)
	if j.Seed != 7 || j.Planned != count {
		t.Errorf("job %+v", j)
	}
	state := e.State()
	want := Counts{
		Events: count, Deliveries: count, Delivered: count, Attempts: count + 20, Succeeded: count,
		Duplicates: 20, Forgeries: 50,
	}
	if state.Counts != want {
		t.Errorf("counts\n got %+v\nwant %+v", state.Counts, want)
	}
	bySum := map[string][]got{}
	for _, g := range s.all() {
		bySum[sumOf(g.body)] = append(bySum[sumOf(g.body)], g)
	}
	for _, one := range state.Sent {
		arrived := bySum[one.SHA256]
		wanted, forged := 1, one.Status == Forged
		if slices.ContainsFunc(one.Faults, func(f string) bool { return strings.HasPrefix(f, "duplicate:") }) {
			wanted = 2
		}
		if len(arrived) != wanted {
			t.Errorf("%v: arrived %d times, want %d", one.Faults, len(arrived), wanted)
			continue
		}
		for _, g := range arrived {
			if (g.signed != nil) != forged || len(g.body) != one.Size {
				t.Errorf("%v: signature %v, %d of %d bytes", one.Faults, g.signed, len(g.body), one.Size)
			}
		}
		if forged && (len(one.Attempts) != 1 || one.Attempts[0].Status != 401 || one.Attempts[0].N != 0) {
			t.Errorf("%v: attempts %+v", one.Faults, one.Attempts)
		}
		if last := one.Attempts[len(one.Attempts)-1]; !forged && (one.Status != Delivered || last.Result != "accepted") {
			t.Errorf("%v: %+v", one.Faults, one)
		}
	}
	for fault, n := range map[string]int{
		"duplicate:overlap": 10, "duplicate:after": 10, "reorder": 20, "unknown_type": 20, "odd": 20, "slow": 10, "cut": 20,
		"bad_signature": 40, "wrong_secret": 10,
	} {
		if got := len(having(state, fault)); got != n {
			t.Errorf("%d with %s, want %d", got, fault, n)
		}
	}
	checkWireFaults(t, state, bySum, s.broken)
	for _, one := range having(state, "unknown_type") {
		if slices.Contains(event.Types(), one.Type) || bySum[one.SHA256][0].id != one.EventID {
			t.Errorf("unknown type: %+v", one)
		}
	}
	if logs, _ := e.Logs(w.ID); len(logs) != count+20 {
		t.Errorf("%d log entries, want %d", len(logs), count+20)
	}
}

func checkWireFaults(t *testing.T, state State, bySum map[string][]got, broken int) {
	t.Helper()
	cut := having(state, "cut")
	for _, one := range cut {
		if a := scheduled(one); len(a) != 2 || a[0].Error != errCut.Error() || a[0].Status != 0 || a[1].Status != 200 {
			t.Errorf("cut: %+v", one)
		}
	}
	if broken != len(cut) {
		t.Errorf("%d bodies broke off at the receiver, want %d", broken, len(cut))
	}
	for _, one := range having(state, "slow") {
		a := scheduled(one)
		slow := slices.ContainsFunc(bySum[one.SHA256], func(g got) bool { return g.at.Sub(a[0].At) >= 80*time.Millisecond })
		if len(a) != 1 || a[0].DurationMS < 80 || !slow {
			t.Errorf("slow: %+v", one)
		}
	}
}

func scheduled(s Sent) []Attempt {
	return slices.DeleteFunc(slices.Clone(s.Attempts), func(a Attempt) bool { return a.N == 0 })
}

func TestOddBodies(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"no_id": "id is missing", "no_type": "type is missing", "number_id": "id is not a string",
		"duplicate_key": "duplicate key in JSON", "broken_json": "body is not JSON", "not_json": "body is not JSON",
		"array": "body is not a JSON object", "trailing_data": "data after the JSON object", "bad_utf8": "body is not UTF-8",
		"bad_created_at": "created_at is not an RFC 3339 time", "stale": "", "large": "", "too_large": "",
	}
	if len(want) != len(OddKinds()) {
		t.Errorf("%d kinds, want %d", len(OddKinds()), len(want))
	}
	e := open(t, Options{})
	for _, typ := range event.Types() {
		for _, kind := range OddKinds() {
			ev, body, err := e.sample(typ)
			if err != nil {
				t.Fatal(err)
			}
			c := oddContent(kind, ev, body)
			back, err := event.Parse(c.bytes())
			if got := event.Reason(err); got != want[kind] {
				t.Errorf("%s: %q, want %q", kind, got, want[kind])
			}
			if err == nil && (back.ID != ev.ID || back.Type != typ || c.eventID != ev.ID) {
				t.Errorf("%s: %v", kind, back)
			}
			if c.sha256 != sumOf(c.bytes()) || c.size != len(c.bytes()) {
				t.Errorf("%s: sum or size is wrong", kind)
			}
			switch age := ev.CreatedAt.Sub(back.CreatedAt); kind {
			case "large", "too_large":
				if over := c.size - 1<<20; over != 0 && kind == "large" || over != 1 && kind == "too_large" {
					t.Errorf("%s: %d bytes", kind, c.size)
				}
			case "stale":
				if age != 30*24*time.Hour {
					t.Errorf("%s: age %v", kind, age)
				}
			}
		}
	}
}

func TestBadSignatures(t *testing.T) {
	t.Parallel()
	const secret = "whsec_0123456789abcdef"
	v, err := verify.New(verify.Key(secret))
	if err != nil {
		t.Fatal(err)
	}
	faults := []fault{{Stranger: true}}
	for _, kind := range badSignatures {
		faults = append(faults, fault{Signature: kind})
	}
	seen := map[string]bool{}
	for n := range 64 { // the last digit is any of sixteen
		body := fmt.Appendf(nil, `{"id":"evt_%d"}`, n)
		for _, f := range faults {
			h := http.Header{}
			f.forge(h, "wh_1", secret, body)
			if _, err := v.Verify(body, h.Values(verify.Header)...); err == nil {
				t.Errorf("%v passes", f.names())
			}
			seen[fmt.Sprint(len(h), len(h.Get(verify.Header)))] = true
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d forms: %v", len(seen), seen)
	}
}

// The same seed makes the same choices in the same order; another does not.
func TestSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (list []string) {
		synctest.Test(t, func(t *testing.T) {
			e := open(t, Options{MaxInFlight: 1, Transport: wire(func(r *http.Request) (int, error) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return 0, err
				}
				ev, _ := event.Parse(body)
				list = append(list, fmt.Sprint(ev.Type, len(body) > 1<<10, len(r.Header.Get(verify.Header))))
				return 200, nil
			})})
			hook(t, e, "http://receiver.test")
			_, err := e.SendAll(t.Context(), SendRequest{
				Count: 100, Seed: seed, Duplicates: 0.2, Reorder: 0.2, Odd: 0.2, UnknownTypes: 0.1, Cut: 0.1, BadSignature: 0.1,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range e.State().Sent {
				list = append(list, one.Type+strings.Join(one.Faults, ","))
			}
		})
		return list
	}
	one, again, two := run(1), run(1), run(2)
	if !slices.Equal(one, again) || slices.Equal(one, two) {
		t.Errorf("same seed equal: %v; other seed equal: %v", slices.Equal(one, again), slices.Equal(one, two))
	}
}

func TestReorderAndRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{MaxInFlight: 1, Transport: wire(func(*http.Request) (int, error) { return 200, nil })})
		hook(t, e, "http://receiver.test")
		began := time.Now()
		if _, err := e.SendAll(t.Context(), SendRequest{Count: 101, Rate: 1, Reorder: 0.3}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 100*time.Second {
			t.Errorf("101 events at 1/s took %v", took)
		}
		late := 0
		sent := e.State().Sent
		for i, one := range sent {
			body := one.Attempts[0].At
			if i > 0 && body.Before(sent[i-1].Attempts[0].At) {
				t.Error("not in the order of sending")
			}
			if len(one.Faults) == 1 && one.Faults[0] == "reorder" {
				late++
			}
		}
		if late != 30 {
			t.Errorf("%d were held back, want 30", late)
		}
	})
}

// Whatever a receiver does, the emulator notes a failure and goes on.
func TestSurvivesAnyReceiver(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Speed: 100_000})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusTemporaryRedirect)
		case "/panic":
			panic(http.ErrAbortHandler)
		case "/endless":
			for chunk := bytes.Repeat([]byte("x"), 32<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(srv.Close)
	raw := func(answer string) string { return rawServer(t, answer) }
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, tt := range []struct {
		name, url string
		status    string
		last      int
		says      string
	}{
		{"endless body", srv.URL + "/endless", Delivered, 200, ""},
		{"redirect", srv.URL + "/redirect", Failed, 307, ""},
		{"panic", srv.URL + "/panic", Failed, 0, "EOF"},
		{"nothing listens", closed.URL, Failed, 0, "refused"},
		{"garbage", raw("\x1b[31mgarbage\r\n\r\n"), Failed, 0, "malformed"},
		{"endless header", raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)), Failed, 0, "exceeded"},
		{"closes at once", raw(""), Failed, 0, ""},
		{"informational only", raw("HTTP/1.1 103 Early Hints\r\n\r\n"), Failed, 0, "EOF"},
		{"shorter than it says", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"), Delivered, 200, ""},
	} {
		w := hook(t, e, tt.url)
		if _, err := e.Test(w.ID, event.TypeMessageRead); err != nil {
			t.Fatal(err)
		}
		wait(t, e)
		all := e.State().Sent
		one := all[len(all)-1]
		last := one.Attempts[len(one.Attempts)-1]
		if one.Status != tt.status || last.Status != tt.last || !strings.Contains(last.Error, tt.says) ||
			(last.Error == "") != (tt.last > 0) || len(last.Error) > maxText+len("…") || strings.ContainsAny(last.Error, "\x1b\n") {
			t.Errorf("%s: %s after %d attempts, last %+v", tt.name, one.Status, len(one.Attempts), last)
		}
		if err := e.Delete(w.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// rawServer answers each connection with the same bytes.
func rawServer(t *testing.T, answer string) string {
	t.Helper()
	return "http://" + testapp.ByHand(t, func(c *net.TCPConn, _ int) {
		defer c.Close()
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, answer)
		}
	})
}
