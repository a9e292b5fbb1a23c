package caddymodule

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// answer is a 200, and what it says.
type answer struct {
	result, reason string
	// relay holds the answer of the next handler, in pass mode.
	relay *recorder
}

func quarantined(reason string) answer { return answer{result: resultQuarantined, reason: reason} }

func (a answer) write(w http.ResponseWriter) error {
	head := w.Header()
	if a.relay != nil {
		for name, values := range a.relay.header {
			head[name] = values
		}
		head.Del("Content-Length") // What is handed on may be shorter.
	}
	head["X-Inbox-Result"] = []string{a.result}
	if a.reason != "" {
		head["X-Inbox-Reason"] = []string{a.reason}
	}
	if a.relay != nil {
		w.WriteHeader(a.relay.status)
		_, err := w.Write(a.relay.kept)
		return err
	}
	head["Content-Type"] = plainText
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(bodyOK)
	return err
}

var (
	plainText = []string{"text/plain; charset=utf-8"}
	bodyOK    = []byte("OK")
)

// note puts what is known of a request into placeholders and the access log.
type note struct {
	repl *caddy.Replacer
	ctx  context.Context
}

func (n note) set(name, value string) {
	if value == "" {
		return
	}
	n.repl.Set("http.inbox_webhook."+name, value)
	if extra, ok := n.ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("inbox_"+name, value))
	}
}
