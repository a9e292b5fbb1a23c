package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/dashboard"
	"github.com/inboxgate/inboxgate/internal/demo/desk"
	"github.com/inboxgate/inboxgate/internal/page"
)

// stayUp opens the pages, prints what may be done now, and then everything that
// arrives, until ctx ends or a key says so. stdin is read only if it is a terminal.
func (d *demo) stayUp(ctx context.Context, stdin *os.File) error {
	if err := d.openSites(); err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	d.hints()
	defer d.readKeys(stdin, quit)()
	d.follow(ctx)
	d.say("\nStopped.")
	return nil
}

// readKeys acts on the keys of a terminal, and calls quit for the one that ends the
// demo. end gives the terminal back.
func (d *demo) readKeys(stdin *os.File, quit func()) (end func()) {
	single, ok := term.OpenKeys(stdin)
	if !ok {
		return func() {}
	}
	keys := &desk.Keys{Desk: d.desk, Say: func(s string) { d.say("%s", s) }}
	d.say("%s", d.paint.Bold(keys.Legend()))
	go func() {
		if keys.Read(single) {
			quit()
		}
	}()
	return sync.OnceFunc(func() { _ = single.Close() })
}

// link is a page, and in words what is to be seen there.
type link struct {
	desk.Link
	what string
}

// links returns the pages in the order that a reader wants them.
func (d *demo) links() (all []link) {
	for _, p := range d.sites {
		all = append(all, link{desk.Link{Name: p.name, URL: p.url}, p.what})
	}
	return append(all, link{desk.Link{Name: "Platform", URL: d.platform.client.BaseURL + "/"}, "what was sent, and what was answered"})
}

// site is a web page of the demo's own, on a free port of loopback.
type site struct {
	name, what string
	url        string
	server     *http.Server
	ended      chan error // how serving it ended
}

// openSites opens the demo's own pages, the desk as the last: it leads to the others.
func (d *demo) openSites() error {
	d.dashboard = dashboard.New(dashboard.Options{
		Client: d.gate.operator, Operate: true, Reveal: true,
		User: func(*http.Request) string { return "demo" },
	})
	one, err := openSite("Dashboard", "what came, what waits, what to decide", page.OnlyLoopbackHost(d.dashboard))
	if err != nil {
		return err
	}
	d.sites = append(d.sites, one)
	for _, l := range d.links() {
		d.desk.Links = append(d.desk.Links, l.Link)
	}
	if one, err = openSite("Desk", "take an app down, slow it, send a storm", d.desk.Handler()); err != nil {
		return err
	}
	d.sites = append(d.sites, one)
	return nil
}

func openSite(name, what string, h http.Handler) (*site, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the page %s: %w", name, err)
	}
	p := &site{name: name, what: what, url: "http://" + l.Addr().String() + "/", ended: make(chan error, 1)}
	p.server = &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() { p.ended <- p.server.Serve(l) }()
	return p, nil
}

// close lets answers end for a moment, and then cuts them.
func (p *site) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		_ = p.server.Close()
	}
	if err := <-p.ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the page %s: %w", p.name, err)
	}
	return nil
}
