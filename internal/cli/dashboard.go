package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/inboxgate/inboxgate/internal/access"
	"github.com/inboxgate/inboxgate/internal/cli/term"
	"github.com/inboxgate/inboxgate/internal/dashboard"
	"github.com/inboxgate/inboxgate/internal/env"
)

// defaultDashboardListen takes a free port that only this machine reaches.
const defaultDashboardListen = "127.0.0.1:0"

func (t *tree) dashboardCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dashboard [--open] [--listen <address>] [--read-only] [--reveal]",
		Short: "Shows the dashboard of a running inboxgate in a browser",
		Long: `
Serves the operator's pages on a port of this machine until Ctrl-C, and prints a
link to them. The link works once, within 10 minutes: the browser that opens it
gets a cookie, and no other gets in. Changes are written to the audit log with
your name.

Over ssh it prints the line that brings the port to your own machine. In a
container, the port must be published or forwarded:

  podman exec -it inboxgate /inboxgate dashboard --listen 0.0.0.0:9181
  kubectl exec -it inboxgate-0 -- /inboxgate dashboard --listen 127.0.0.1:9181
  kubectl port-forward inboxgate-0 9181

With --listen other machines may reach the port. They do not get in without the
link, but who can listen to the network sees what you see: it is plain HTTP.
` + t.aboutControl(),
		Example: `  ` + t.Program + ` dashboard --open
  ` + t.Program + ` dashboard --read-only --listen 127.0.0.1:9181`,
		Args: NoArgs,
		RunE: t.operated(func(ctx context.Context, o *operator, _ []string) error { return o.dashboard(ctx) }),
	}
	f := cmd.Flags()
	f.String("admin", "", "where inboxgate's API is: host:port, a URL or unix//path (default: as told above)")
	f.String("listen", defaultDashboardListen, "where the pages are; port 0 takes a free one")
	f.Bool("open", false, "open the link in the browser of this machine")
	f.Bool("read-only", false, "only look: nothing can be changed")
	f.Bool("reveal", false, "let phone numbers be shown, one event at a time")
	addFormat(cmd)
	return cmd
}

// dashboard serves the pages until ctx ends.
func (o *operator) dashboard(ctx context.Context) error {
	f := o.cmd.Flags()
	readOnly, _ := f.GetBool("read-only")
	reveal := revealed(o.cmd)
	if readOnly && reveal {
		return usage("--reveal is for who may change things: leave out --read-only, or --reveal")
	}
	if _, err := o.client.Status(ctx); err != nil {
		return err // Nobody is there, or this user may not look.
	}
	listen, err := wordOf(o.cmd, "listen")
	if err != nil {
		return err
	}
	l, err := dashboardListener(ctx, listen)
	if err != nil {
		return err
	}
	at := l.Addr().(*net.TCPAddr)
	fix := "Run `" + o.program + " dashboard` again, and open the link that it prints."
	link, token := access.NewLink(strconv.Itoa(at.Port), fix, time.Now())
	pages := dashboard.New(dashboard.Options{
		Client: o.client, Operate: !readOnly, Reveal: reveal, User: access.User, Refused: o.refusedPost,
	})
	defer pages.Close()
	ended := make(chan error, 1)
	server := &http.Server{
		Handler:           link.Guard(onlyHere(at, fix, asUser(userName(), pages)), o.refusedPost),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // A browser breaks off as it likes.
	}
	go func() { ended <- server.Serve(l) }()
	defer server.Close()
	url := access.LinkURL("http://"+net.JoinHostPort(env.DialHost(at.IP.String()), strconv.Itoa(at.Port)), token)
	leave, err := o.introduceDashboard(ctx, url, at)
	if err != nil {
		return err
	}
	defer leave()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the dashboard: %w", err)
	case <-ctx.Done():
	}
	pages.Close() // Pages that follow what runs end with it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = server.Shutdown(ctx) // What is left is cut off by Close.
	if o.json != nil {
		return nil
	}
	return o.say("\nStopped.")
}

// dashboardListener listens on an address of this machine.
func dashboardListener(ctx context.Context, listen string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return nil, Usagef("--listen is %q: write it as 127.0.0.1:9181", listen)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listening for the dashboard: %w: give another address with --listen, such as %s", err, defaultDashboardListen)
	}
	return l, nil
}

// onlyHere serves next under a name of this machine alone where no other machine gets to:
// a page of another name that leads here shall not reach it.
func onlyHere(at *net.TCPAddr, fix string, next http.Handler) http.Handler {
	if !at.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !access.LoopbackName(r.Host) {
			(&access.Refusal{Status: http.StatusForbidden, Why: "The name in the address is none of this machine's own.", Fix: fix}).Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asUser serves next to the one user of the dashboard.
func asUser(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(access.With(r.Context(), name)))
	})
}

// userName returns the name of who runs the command, for the audit log.
func userName() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" && by != name {
		name = by + " as " + name
	}
	return access.Name(name)
}

// refusedPost reports a request that would have changed something and was refused. The
// audit log is that of another process.
func (o *operator) refusedPost(r *http.Request, why string) {
	fmt.Fprintf(o.cmd.ErrOrStderr(), "refused: %s %s from %s: %s\n", term.Cell(r.Method), term.Cell(term.Cut(r.URL.Path, 256)), r.RemoteAddr, why)
}

// introduceDashboard prints the link, and opens it where that is asked for. leave removes
// what opening it has left.
func (o *operator) introduceDashboard(ctx context.Context, url string, at *net.TCPAddr) (leave func(), err error) {
	leave = func() {}
	if o.json != nil {
		err = o.encode(struct {
			URL     string    `json:"url"`
			Expires time.Time `json:"expires"`
		}{url, time.Now().Add(access.LinkLasts).UTC().Truncate(time.Second)})
	} else {
		err = o.dashboardText(url, at)
	}
	if open, _ := o.cmd.Flags().GetBool("open"); open && err == nil {
		if leave, err = openLink(ctx, url); err != nil {
			fmt.Fprintf(o.cmd.ErrOrStderr(), "no browser was opened (%v): open the link yourself\n", err)
			leave, err = func() {}, nil
		}
	}
	return leave, err
}

func (o *operator) dashboardText(url string, at *net.TCPAddr) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", o.paint.Bold("The dashboard:"), url)
	b.WriteString("The link works once, in one browser, within 10 minutes. Ctrl-C ends the dashboard.\n")
	if !at.IP.IsLoopback() {
		b.WriteString("\nOther machines reach this port, over plain HTTP: prefer a tunnel, or a loopback address.\n")
		if at.IP.IsUnspecified() {
			b.WriteString("From another machine, write the name of this one instead of 127.0.0.1.\n")
		}
	}
	if line := tunnel(os.Getenv("SSH_CONNECTION"), userLogin(), at); line != "" {
		fmt.Fprintf(&b, "\nYou are here over ssh. First, in a terminal of your own machine:\n  %s\n", line)
	}
	_, err := io.WriteString(o.w, b.String())
	return wrote(err)
}

// userLogin returns the name to log in with.
func userLogin() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// tunnel returns the command that brings the port to the machine at the other end of an
// ssh connection, as the variable SSH_CONNECTION describes it, and "" where there is none.
func tunnel(connection, login string, at *net.TCPAddr) string {
	parts := strings.Fields(connection)
	if len(parts) != 4 || net.ParseIP(strings.Split(parts[2], "%")[0]) == nil {
		return ""
	}
	if _, err := strconv.ParseUint(parts[3], 10, 16); err != nil {
		return ""
	}
	to := parts[2]
	if login != "" {
		to = login + "@" + to
	}
	port := strconv.Itoa(at.Port)
	words := []string{"ssh", "-N", "-L", port + ":" + net.JoinHostPort(env.DialHost(at.IP.String()), port)}
	if parts[3] != "22" {
		words = append(words, "-p", parts[3])
	}
	words = append(words, to)
	for i, w := range words {
		words[i] = term.ShellWord(w)
	}
	return strings.Join(words, " ")
}
