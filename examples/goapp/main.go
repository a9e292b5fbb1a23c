// Command goapp is an app that takes the events of the Inbox platform, from
// inboxgate or directly from the platform.
//
// Guarantee: an event is handled only if its signature is valid, and while the
// process lives once per id.
//
// Limit: which ids were handled is forgotten when the process ends. A real app
// remembers them where it keeps what it did, in the same transaction: it gives
// event.Handler a Deduper of its own.
package main

import (
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	v, err := verify.FromEnv()
	if err != nil {
		log.Error("cannot start", "error", err.Error())
		os.Exit(1)
	}
	var opts []event.Option
	if os.Getenv("BEHIND_INBOXGATE") != "" {
		opts = append(opts, event.BehindGate())
	}
	server := &http.Server{Addr: ":8080", Handler: newApp(log, v, opts...), ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	log.Info("listening", "address", server.Addr)
	log.Error("stopped", "error", server.ListenAndServe().Error())
	os.Exit(1)
}
