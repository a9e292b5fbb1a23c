package caddymodule_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority is a certificate that signs others.
type authority struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, key}
	raw, err := x509.CreateCertificate(rand.Reader, a.Certificate, a.Certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if a.Certificate, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign returns a certificate for both sides of a connection.
func (a authority) sign(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.Certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// file writes PEM blocks into a file.
func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A client certificate names its user where it was verified. Anybody can make one that was
// not.
func TestDashboardClientCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	server := ours.sign(t, "server")
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	const verified = "mode require_and_verify\ntrust_pool file "
	trusted := verified + pemFile(t, "CERTIFICATE", ours.Raw)
	for name, c := range map[string]struct {
		mode   string
		by     authority
		status int // 0 where the connection fails
	}{
		"verified":            {trusted, ours, 200},
		"of another":          {trusted, theirs, 0},
		"nobody has verified": {"mode request", theirs, 503},
		"only required":       {"mode require", theirs, 503},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			t.Setenv("INBOX_WEBHOOK_SECRET", secret)
			start(t, "", fmt.Sprintf("inbox_webhook /hook {\nname ops\nto 127.0.0.1:1 {\nname app\n}\n}\n}\nhttps://localhost:%s {\nbind 127.0.0.1\ntls %s %s {\nclient_auth {\n%s\n}\n}\ninbox_dashboard {\nuser {http.request.tls.client.subject}\n}\n",
				port, pemFile(t, "CERTIFICATE", server.Certificate[0]), pemFile(t, "PRIVATE KEY", key), c.mode))
			shown := c.by.sign(t, "alice")
			tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }}} //nolint:gosec // A test's own certificate.
			defer tr.CloseIdleConnections()
			v := visit{url: "https://localhost:" + port + "/", header: throughProxy, client: &http.Client{Transport: tr}}
			if c.status == 0 {
				if res, err := v.client.Get(v.url); err == nil {
					res.Body.Close()
					t.Errorf("a connection with a certificate of another: %d", res.StatusCode)
				}
				return
			}
			status, page, _ := v.page(t)
			if status != c.status || status == 200 && !shows(page, "CN=alice") || status != 200 && !strings.Contains(page, "verify client certificates") {
				t.Errorf("%d, want %d:\n%s", status, c.status, page)
			}
		})
	}
}
