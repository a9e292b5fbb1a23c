package emulator

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// nearby lets pass the requests that have the key, and those without one that come
// from this machine and name it by an address: a host name could be a stranger's that
// was made to point here. A browser is refused, whichever page it shows.
func (e *Emulator) nearby(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			refuse(w, refusal(http.StatusForbidden, "forbidden", "browsers are not served here"))
			return
		}
		if r.Header.Get("Authorization") == "" && loopback(r.RemoteAddr) && here(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		e.withKey(next).ServeHTTP(w, r)
	})
}

func loopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// here reports whether a Host header names this machine by an address or as
// localhost.
func here(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

func (e *Emulator) controlSend(r *http.Request) (int, any, error) {
	var s SendRequest
	if err := read(r, &s, true); err != nil {
		return 0, nil, err
	}
	j, err := e.Send(s)
	return http.StatusAccepted, j, err
}

func (e *Emulator) controlAdvance(r *http.Request) (int, any, error) {
	var a struct {
		By string `json:"by"`
	}
	if err := read(r, &a, true); err != nil {
		return 0, nil, err
	}
	by, err := time.ParseDuration(a.By)
	if err != nil || by <= 0 || by > maxAdvance {
		return 0, nil, invalid("by must be a duration above zero and at most ten years, such as 30s or 2h")
	}
	e.Advance(by)
	return http.StatusOK, struct {
		Now time.Time `json:"now"`
	}{e.Now()}, nil
}

// controlState serves the state; with ?sent=false without what was sent.
func (e *Emulator) controlState(r *http.Request) (int, any, error) {
	if r.URL.Query().Get("sent") == "false" {
		return http.StatusOK, e.state(false), nil
	}
	return http.StatusOK, e.State(), nil
}

func (e *Emulator) controlReset(*http.Request) (int, any, error) {
	return http.StatusNoContent, nil, e.Reset()
}

// Serve answers on l until ctx ends, and then lets requests end for a moment.
// It closes l, and not the Emulator. It returns nil when ctx ended it.
func (e *Emulator) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           e,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(e.opts.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(within) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
