package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// Replicas of which all but one are broken: each event comes within a second, by its
// first attempt, and the route is never held. Not parallel with the others: it measures.
func TestE2EReplicasOfWhichOneIsWell(t *testing.T) { //nolint:tparallel // The same.
	for name, c := range map[string]struct {
		secure bool
		broken []func() string
	}{
		"one of two refuses":             {false, []func() string{func() string { return proctest.FreeAddress(t) }}},
		"two of three refuse":            {false, slices.Repeat([]func() string{func() string { return proctest.FreeAddress(t) }}, 2)},
		"one of two hangs before TLS":    {true, []func() string{func() string { return testapp.Silent(t) }}},
		"two of three hang before TLS":   {true, slices.Repeat([]func() string{func() string { return testapp.Silent(t) }}, 2)},
		"one refuses, one hangs, of TLS": {true, []func() string{func() string { return proctest.FreeAddress(t) }, func() string { return testapp.Silent(t) }}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var app *testapp.App
			var url, pair string
			if c.secure {
				var authority string
				app, url, authority = secureApp(t)
				pair = "SSL_CERT_FILE=" + authority
			} else {
				app = testapp.New(t, nil)
				url, pair = app.Addr, "SSL_CERT_FILE="
			}
			var addresses []string
			for _, b := range c.broken {
				address := b()
				if c.secure {
					address = "https://" + address
				}
				addresses = append(addresses, address)
			}
			pairs := []string{"INBOX_UPSTREAM=" + strings.Join(append(addresses, url), ","), pair}
			s := stand(t, pairs...)
			const events = 60
			var ids []string
			sent := make(map[string]time.Time)
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for range events {
				<-tick.C
				at := time.Now()
				id := s.post()
				ids, sent[id] = append(ids, id), at
			}
			var longest time.Duration
			for _, id := range ids {
				took := app.Event(t, id).At.Sub(sent[id])
				longest = max(longest, took)
				if took > time.Second {
					t.Errorf("event %s took %s", id, took)
				}
			}
			t.Logf("the longest took %s", longest)
			s.flawless(ids)
		})
	}
}

// An https app sees the platform's Host, as an http one does, under a certificate of
// its own name.
func TestE2EHostOverHTTPS(t *testing.T) {
	t.Parallel()
	plain := testapp.New(t, nil)
	secure, url, authority := secureApp(t)
	for name, c := range map[string]struct {
		app            *testapp.App
		url, authority string
	}{
		"http":  {plain, "http://" + plain.Addr, ""},
		"https": {secure, url, authority},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stand(t, "INBOX_UPSTREAM="+c.url, "SSL_CERT_FILE="+c.authority)
			if a := c.app.Event(t, s.post()); a.Host != "hooks.example.com" {
				t.Errorf("the app sees the Host %q", a.Host)
			}
		})
	}
}

// An authority that is not known is told with its fix.
func TestE2EAuthorityOfOnesOwn(t *testing.T) {
	t.Parallel()
	_, url, _ := secureApp(t)
	s := stand(t, "INBOX_UPSTREAM="+url)
	s.post()
	s.Await(t, "SSL_CERT_FILE", 1)
}

// A bare slash at the end of the address is told, and the other ways are not.
func TestE2EBareSlash(t *testing.T) {
	t.Parallel()
	const told = "ends in a slash"
	for end, want := range map[string]bool{"": false, "/": true, "/?": false, "/hooks": false} {
		t.Run("ends in "+end, func(t *testing.T) {
			t.Parallel()
			s := stand(t, "INBOX_UPSTREAM=http://127.0.0.1:1"+end)
			if out := s.Output(); strings.Contains(out, told) != want {
				t.Errorf("told is not %t:\n%s", want, out)
			}
		})
	}
}

// An instance behind another is an app like any other.
func TestE2EInstanceBehindAnother(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, nil)
	inner := stand(t, "INBOX_UPSTREAM="+app.Addr)
	outer := stand(t, "INBOX_UPSTREAM="+strings.TrimPrefix(strings.TrimSuffix(inner.url, "/webhooks/inbox"), "http://"))
	id := outer.post()
	app.Event(t, id)
	for end := time.Now().Add(proctest.Patience); time.Now().Before(end) && (len(outer.attempts()[id]) == 0 || len(inner.attempts()[id]) == 0); {
		continue
	}
	outer.flawless([]string{id})
	inner.flawless([]string{id})
}

// Two instances that deliver to each other are found.
func TestE2EInstancesInACircle(t *testing.T) {
	t.Parallel()
	a, b := proctest.FreeAddress(t), proctest.FreeAddress(t)
	first := standAt(t, a, "INBOX_UPSTREAM="+b)
	second := standAt(t, b, "INBOX_UPSTREAM="+a)
	first.post()
	second.Await(t, "own listener", 1)
	if strings.Contains(first.Output(), "route held") {
		t.Errorf("the first has handed its event on, and holds its route:\n%s", first.Output())
	}
}

// nodeApp closes idle connections so soon that requests meet them.
const nodeApp = `
const server = require('http').createServer((req, res) => { req.resume(); req.on('end', () => res.end('ok')); });
server.keepAliveTimeout = 60;
if ('keepAliveTimeoutBuffer' in server) server.keepAliveTimeoutBuffer = 0;
server.listen(Number(process.argv[1]), '127.0.0.1', () => console.log('listening'));
`

// A Node server that closes idle connections under our hands costs no attempt.
func TestE2ENodeClosesIdleConnections(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "node")
	address := proctest.FreeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	proctest.Start(t, exec.Command("node", "-e", nodeApp, port)).Await(t, "listening", 1)
	s := stand(t, "INBOX_UPSTREAM="+address)
	var ids []string
	tick := time.NewTicker(61 * time.Millisecond)
	defer tick.Stop()
	for range 200 {
		<-tick.C
		ids = append(ids, s.post())
	}
	for end := time.Now().Add(proctest.Patience); time.Now().Before(end); {
		if all := s.attempts(); len(all) == len(ids) && !slices.ContainsFunc(ids, func(id string) bool { return len(all[id]) == 0 }) {
			break
		}
	}
	s.flawless(ids)
}
