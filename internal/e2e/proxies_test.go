package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
	"github.com/inboxgate/inboxgate/verify"
)

const (
	platformIP = "127.0.0.5" // Where the platform calls from.
	strangerIP = "127.0.0.9"
	hooks      = "hooks.example.com"
)

// seen is what an app sees of where a request came from.
type seen struct{ id, proto, client, host string }

// strict is an app that sends on to HTTPS whatever did not come by it.
func strict(t *testing.T) *testapp.App {
	t.Helper()
	return testapp.New(t, func(w http.ResponseWriter, r *http.Request, _ testapp.Arrival) {
		if r.Header.Get("X-Forwarded-Proto") != "https" {
			http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
		}
	})
}

func next(t *testing.T, app *testapp.App) seen {
	t.Helper()
	a := app.Next(t)
	return seen{a.ID, a.Header.Get("X-Forwarded-Proto"), a.Header.Get("X-Forwarded-For"), a.Host}
}

// certificate writes a new one and its key into one file, as HAProxy wants it.
func certificate(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hooks}, DNSNames: []string{hooks},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "both.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nginx passes what comes by TLS on, as its documentation says to.
func nginx(t *testing.T, to string) (address string) {
	t.Helper()
	proctest.Needs(t, "nginx")
	dir, listen := t.TempDir(), proctest.FreeAddress(t)
	pair := certificate(t, dir)
	return proxy(t, listen, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`
pid %[1]s/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/b;
	proxy_temp_path %[1]s/p;
	fastcgi_temp_path %[1]s/f;
	uwsgi_temp_path %[1]s/u;
	scgi_temp_path %[1]s/s;
	server {
		listen %[2]s ssl;
		ssl_certificate %[3]s;
		ssl_certificate_key %[3]s;
		location / {
			proxy_pass http://%[4]s;
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}
`, dir, listen, pair, to), "nginx", "-g", "daemon off; master_process off;", "-e", "stderr", "-p", dir, "-c")
}

// haproxy ends TLS too.
func haproxy(t *testing.T, to string) (address string) {
	t.Helper()
	proctest.Needs(t, "haproxy")
	dir, listen := t.TempDir(), proctest.FreeAddress(t)
	return proxy(t, listen, filepath.Join(dir, "haproxy.cfg"), fmt.Sprintf(`
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
frontend in
	bind %s ssl crt %s
	option forwardfor
	http-request set-header X-Forwarded-Proto https
	default_backend gate
backend gate
	server gate %s
`, listen, certificate(t, dir), to), "haproxy", "-db", "-f")
}

// proxy writes a configuration, starts a program on it and waits until it listens.
func proxy(t *testing.T, listen, path, config string, command ...string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := proctest.Start(t, exec.Command(command[0], append(command[1:], path)...))
	for end := time.Now().Add(proctest.Patience); ; {
		c, err := net.Dial("tcp", listen)
		if err == nil {
			_ = c.Close()
			return listen
		}
		if time.Now().After(end) || p.Until(time.Millisecond, func(string) bool { return true }) && !alive(p.PID()) {
			t.Fatalf("%s does not listen: %v", command[0], err)
		}
	}
}

// alive tells whether a process is there and no zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(text, []byte(") Z "))
}

// send posts a new event from an address of this machine, under the name hooks,
// and returns its id and the answer's status.
func send(t *testing.T, from, url string, change func(*http.Request)) (id string, status int) {
	t.Helper()
	e, err := event.Sample(event.TypeMessageRead, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/webhooks/inbox", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Host = hooks
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set(verify.Header, verify.Sign([]byte(secret), body))
	if change != nil {
		change(q)
	}
	rt := &http.Transport{
		DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
		TLSClientConfig:   &tls.Config{ServerName: hooks, InsecureSkipVerify: true}, //nolint:gosec // A test's own certificate.
		DisableKeepAlives: true,
	}
	res, err := rt.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return e.ID, res.StatusCode
}

// forgedHeaders are what a client may claim of itself.
func forgedHeaders(q *http.Request) {
	q.Header.Set("X-Forwarded-For", "203.0.113.66")
	q.Header.Set("X-Forwarded-Proto", "https")
	q.Header.Set("Forwarded", "for=203.0.113.66;proto=https")
	q.Header.Set("X-Real-Ip", "203.0.113.66")
}

// TLS ends at a proxy in front. With INBOX_TRUSTED_PROXIES an app that forces HTTPS
// takes the event, and sees the platform's address and the name that it called.
// Without, and from everybody who is not that proxy, nothing of it is believed.
func TestProxiesInFront(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T, string) string{"nginx": nginx, "haproxy": haproxy} {
		for _, trusted := range []string{"", "127.0.0.1", "10.0.0.0/8 127.0.0.1/32"} {
			t.Run(fmt.Sprintf("%s trusting %q", name, trusted), func(t *testing.T) {
				t.Parallel()
				app := strict(t)
				listen := proctest.FreeAddress(t)
				p := proctest.Start(t, gate(t, t.TempDir(), "INBOX_UPSTREAM="+app.Addr, "INBOX_LISTEN="+listen, "INBOX_TRUSTED_PROXIES="+trusted, "INBOX_RETRY_SCHEDULE=10m"))
				p.Await(t, "serving initial configuration", 1)
				front := "https://" + start(t, listen)
				for _, change := range []func(*http.Request){nil, forgedHeaders} {
					id, status := send(t, platformIP, front, change)
					want := seen{id: id, proto: "https", client: platformIP, host: hooks}
					if trusted == "" {
						want.proto, want.client = "http", "127.0.0.1"
					}
					if a := next(t, app); a != want || status != http.StatusOK {
						t.Errorf("%d, and the app saw %+v, want %+v", status, a, want)
					}
				}
				// Past the proxy: whoever it is, he has only himself as witness.
				id, status := send(t, strangerIP, "http://"+listen, forgedHeaders)
				want := seen{id: id, proto: "http", client: strangerIP, host: hooks}
				if a := next(t, app); a != want || status != http.StatusOK {
					t.Errorf("a stranger: %d, and the app saw %+v, want %+v", status, a, want)
				}
				if code := p.Stop(t); code != 0 {
					t.Errorf("exit code %d", code)
				}
			})
		}
	}
}

// A balancer that passes TLS through says who calls in the PROXY protocol.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	proctest.Needs(t, "haproxy")
	app := strict(t)
	listen, dir := proctest.FreeAddress(t), t.TempDir()
	mounted := filepath.Join(dir, proctest.Mounted)
	config := fmt.Sprintf(`{
	admin off
	persist_config off
	local_certs
	skip_install_trust
	auto_https disable_redirects
	servers {
		listener_wrappers {
			proxy_protocol {
				allow 127.0.0.1/32
				fallback_policy reject
			}
			tls
		}
	}
}

https://%s:%s {
	bind 127.0.0.1
	inbox_webhook /webhooks/inbox %s
	respond 404
}
`, hooks, listen[strings.LastIndex(listen, ":")+1:], app.Addr)
	if err := errors.Join(os.Mkdir(filepath.Dir(mounted), 0o700), os.WriteFile(mounted, []byte(config), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := proctest.Start(t, gate(t, dir))
	p.Await(t, "certificate obtained successfully", 1)
	for _, version := range []string{"send-proxy", "send-proxy-v2"} {
		front := proctest.FreeAddress(t)
		proxy(t, front, filepath.Join(t.TempDir(), "haproxy.cfg"), fmt.Sprintf(`
defaults
	mode tcp
	timeout connect 5s
	timeout client 30s
	timeout server 30s
listen through
	bind %s
	server gate %s %s
`, front, listen, version), "haproxy", "-db", "-f")
		id, status := send(t, platformIP, "https://"+front, forgedHeaders)
		want := seen{id: id, proto: "https", client: platformIP, host: hooks}
		if a := next(t, app); a != want || status != http.StatusOK {
			t.Errorf("%s: %d, and the app saw %+v, want %+v", version, status, a, want)
		}
	}
	// Who is not the balancer may not say who he is.
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(strangerIP)}}).Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(proctest.Patience))
	if _, err := io.WriteString(c, "PROXY TCP4 203.0.113.66 127.0.0.1 1 2\r\n"); err != nil {
		t.Fatal(err)
	}
	secure := tls.Client(c, &tls.Config{ServerName: hooks, InsecureSkipVerify: true}) //nolint:gosec // As above.
	if err := secure.HandshakeContext(t.Context()); err == nil {
		t.Error("a stranger's word was taken for the balancer's")
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
