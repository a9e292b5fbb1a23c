package caddymodule_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/verify"
)

// A secret that is not used as the platform does gives 401, and the log names the
// mistake: once, however many requests come, and never the secret.
func TestMistakenSecretIsNamed(t *testing.T) {
	const real = "a secret that the platform has"
	for name, c := range map[string]struct{ ours, says string }{
		"base64":      {base64.StdEncoding.EncodeToString([]byte(real)), "was decoded from base64 before it was used"},
		"hex":         {hex.EncodeToString([]byte(real)), "was decoded from hex before it was used"},
		"whsec_":      {"whsec_" + real, "was used without its whsec_"},
		"other case":  {strings.ToUpper(real), "was used in lower case"},
		"a stranger":  {"quite another secret of somebody", ""},
		"our own one": {real, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("INBOX_WEBHOOK_SECRET", c.ours)
			in := start(t, "", "inbox_webhook /hook 127.0.0.1:1")
			post := func() int {
				_, body := sample(t, "message.read")
				r := request(t, in.url("/hook"), body)
				r.Header.Set(verify.Header, verify.Sign([]byte(real), body))
				return send(t, r).status
			}
			if got := post(); (got == http.StatusUnauthorized) != (c.ours != real) {
				t.Fatalf("the answer is %d", got)
			}
			if c.says != "" {
				eventually(t, "the mistake in the log", func() bool { return in.logged(c.says) })
			}
			for range 20 {
				post()
			}
			raw, err := os.ReadFile(in.logs)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if c.says != "" {
				want = 1
			}
			if n := strings.Count(string(raw), "a usual mistake explains it"); n != want {
				t.Errorf("it is logged %d times, want %d", n, want)
			}
			if strings.Contains(string(raw), c.ours) || strings.Contains(string(raw), real) {
				t.Error("a secret is in the log")
			}
		})
	}
}
