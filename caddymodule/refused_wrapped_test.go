package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// swallower is a handler that keeps errors to itself, as another maker's may: it
// answers 200 instead, or nothing at all.
type swallower struct {
	Says string `json:"says,omitempty"`
}

func (swallower) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_swallow", New: func() caddy.Module { return new(swallower) }}
}

func (s *swallower) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if err := next.ServeHTTP(w, r); err != nil && s.Says != "" {
		_, _ = w.Write([]byte(s.Says))
	}
	return nil
}

func init() {
	caddy.RegisterModule(new(swallower))
	httpcaddyfile.RegisterHandlerDirective("test_swallow", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		s := new(swallower)
		h.Next()
		h.AllArgs(&s.Says)
		return s, nil
	})
}

// Whatever stands around the webhook, what it refuses is never a 2xx: the platform
// would take that for a stored event. What others of the site answer is theirs.
func TestWrappersMakeNoSuccessOfARefusal(t *testing.T) {
	s := newSites(t)
	const everything = "@all status 2xx 3xx 4xx 5xx\n"
	for name, around := range map[string]string{
		"nothing":                   "",
		"intercept, respond":        "intercept {\n" + everything + "handle_response @all {\nrespond sorry 200\n}\n}",
		"intercept, its own body":   "intercept {\n@failed status 5xx\nhandle_response @failed {\nheader X-Site mine\n}\n}",
		"intercept, respond empty":  "intercept {\n@failed status 5xx\nhandle_response @failed {\nrespond 204\n}\n}",
		"intercept, replace_status": "intercept {\n@failed status 5xx\nreplace_status @failed 200\n}",
		"intercept twice":           "intercept {\n@failed status 5xx\nreplace_status @failed 418\n}\nintercept {\n@failed status 5xx\nreplace_status @failed 202\n}",
		"a page instead of errors":  "test_swallow sorry",
		"no error gets through":     "test_swallow",
		"both":                      "intercept {\n@failed status 4xx 5xx\nreplace_status @failed 200\n}\ntest_swallow sorry",
		"encode":                    "encode gzip",
	} {
		for end, errors := range map[string]string{"": "", ", with error routes": "handle_errors {\nrespond sorry 200\n}"} {
			t.Run(name+end, func(t *testing.T) {
				site := "http://:PORT {\nroute {\n" + around + "\nhandle /good {\ninbox_webhook 127.0.0.1:1\n}\nhandle /bad {\ninbox_webhook {\nname bad\npass\n}\nrespond 500\n}\n}\nrespond /else 202\n" + errors + "\n}\n"
				if err := s.load(site); err != nil {
					t.Fatal(err)
				}
				_, body := sample(t, "message.read")
				if got := s.post(t, "", "/good", body); got.status != 200 || got.result != "accepted" {
					t.Errorf("a good event: %+v", got)
				}
				for path, sign := range map[string]string{"/bad": "", "/good": strings.Repeat("0", 64)} {
					q := request(t, "http://"+s.addr+path, body)
					if sign != "" {
						q.Header.Set("X-Inbox-Signature", sign)
					}
					if got := send(t, q); got.status/100 == 2 || got.result != "" {
						t.Errorf("%s is refused with %+v", path, got)
					}
				}
				if got := s.post(t, "", "/else", body); got.status/100 != 2 {
					t.Errorf("another handler's answer is %+v", got)
				}
			})
		}
	}
}
