package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Client calls the API of a running instance.
type Client struct {
	http  *http.Client
	base  string // the URL without a path
	at    string // the address as it was given, for messages
	token string // empty for none
}

// NewClient returns a client for an address: host:port, a URL, or the path of a Unix
// socket as unix//run/inbox.sock. A port without a host is this machine's, and an
// absolute path is that of a socket.
func NewClient(address, token string) (*Client, error) {
	switch {
	case strings.HasPrefix(address, ":"):
		address = "127.0.0.1" + address // Caddy's endpoint refuses an empty Host.
	case strings.HasPrefix(address, "/"):
		address = "unix/" + address
	}
	c := &Client{http: &http.Client{}, at: address, token: token}
	if path, ok := strings.CutPrefix(address, "unix/"); ok {
		path, _, _ = strings.Cut(path, "|") // Caddy's form for the mode.
		c.base = "http://inbox"
		c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}
		return c, nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of an admin endpoint: write localhost:2019, https://host:port or unix//path", c.at)
	}
	c.base = u.Scheme + "://" + u.Host
	return c, nil
}

// userAgent names this process to other callers that must wait for it.
var userAgent = fmt.Sprintf("%s (process %d)", filepath.Base(os.Args[0]), os.Getpid())

// do sends a call and returns the answer if it is 200.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var text io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(raw)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, text)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", userAgent)
	nameCaller(r)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("asking inboxgate at %s: %w", c.at, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, c.refused(res)
	}
	return res, nil
}

// refused returns the error of an answer that is not 200.
func (c *Client) refused(res *http.Response) error {
	e := &Error{Status: res.StatusCode}
	raw, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if json.Unmarshal(raw, e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("%s answered %s: is inboxgate running there, with its admin endpoint on?", c.at, res.Status)
	}
	return e
}

// call reads a JSON answer into v.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, v any) error {
	res, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		// An answer that is cut because the caller's time is over is no broken answer.
		err = cmp.Or(context.Cause(ctx), err)
		return fmt.Errorf("reading the answer of %s: %w", c.at, err)
	}
	return nil
}

// List is what to list.
type List struct {
	Filter
	// Quarantine lists its entries instead of events.
	Quarantine bool
	// Limit is the length of a page at most. Default 100, at most 1000.
	Limit int
	// Cursor is a Page.Next, 0 for the first page.
	Cursor int64
	// Reveal shows phone numbers instead of masking them.
	Reveal bool
	// Total asks for Page.Total, which costs the store more than the page.
	Total bool
	// Settled leaves out events before which another may still appear, because another
	// inboxgate is storing it. It is for who goes on from the largest number seen.
	Settled bool
}

func (l List) values() url.Values {
	v := l.Filter.values()
	for name, n := range map[string]int64{"limit": int64(l.Limit), "cursor": l.Cursor} {
		if n != 0 {
			v.Set(name, strconv.FormatInt(n, 10))
		}
	}
	if l.Settled {
		v.Set("settled", "true")
	}
	if !l.Total {
		v.Set("total", "false")
	}
	return revealed(v, l.Reveal)
}

func revealed(v url.Values, reveal bool) url.Values {
	if reveal {
		v.Set("reveal", "1")
	}
	return v
}

// Events returns one page.
func (c *Client) Events(ctx context.Context, l List) (p Page, err error) {
	path := Prefix + "events"
	if l.Quarantine {
		path = Prefix + "quarantine"
	}
	err = c.call(ctx, http.MethodGet, path, l.values(), nil, &p)
	return p, err
}

// Ref names an event by id or number, or a quarantine entry by its number.
type Ref struct {
	// Ref is the id or the number.
	Ref string
	// Source is the event's, needed where several sources have an event of that id.
	Source     string
	Quarantine bool
}

// ByNumber returns the Ref of an event's number, which is never taken for an id.
func ByNumber(n int64) Ref { return Ref{Ref: numbered + strconv.FormatInt(n, 10)} }

func (r Ref) values() url.Values {
	v := url.Values{}
	if r.Source != "" {
		v.Set("source", r.Source)
	}
	return v
}

func (r Ref) path(rest string) string {
	if r.Quarantine {
		return Prefix + "quarantine/" + url.PathEscape(r.Ref) + rest
	}
	return Prefix + "events/" + url.PathEscape(r.Ref) + rest
}

// Event returns one event with all that is kept of it.
func (c *Client) Event(ctx context.Context, r Ref, reveal bool) (e Event, err error) {
	err = c.call(ctx, http.MethodGet, r.path(""), revealed(r.values(), reveal), nil, &e)
	return e, err
}

// Raw returns a body as it came.
func (c *Client) Raw(ctx context.Context, r Ref) ([]byte, error) {
	res, err := c.do(ctx, http.MethodGet, r.path("/raw"), r.values(), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// Change replays, discards or releases, as what says. route may be empty for every
// route of an event.
func (c *Client) Change(ctx context.Context, r Ref, what, route string) (n Changed, err error) {
	var body any = why{reasonOf(ctx, "")}
	if !r.Quarantine {
		body = toRoute{route, reasonOf(ctx, "")}
	}
	err = c.call(ctx, http.MethodPost, r.path("/"+what), r.values(), body, &n)
	return n, err
}

// Routes returns the routes.
func (c *Client) Routes(ctx context.Context) ([]Route, error) {
	var v struct {
		Routes []Route `json:"routes"`
	}
	err := c.call(ctx, http.MethodGet, Prefix+"routes", nil, nil, &v)
	return v.Routes, err
}

// SetRoute holds or resumes a route, as what says.
func (c *Client) SetRoute(ctx context.Context, source, route, what, reason string) error {
	var n Changed
	body := why{reasonOf(ctx, reason)}
	return c.call(ctx, http.MethodPost, Prefix+"routes/"+url.PathEscape(source)+"/"+url.PathEscape(route)+"/"+what, nil, body, &n)
}

// RetryRoute attempts now what waits for a route, and returns how many deliveries that
// is.
func (c *Client) RetryRoute(ctx context.Context, source, route string) (n Changed, err error) {
	err = c.call(ctx, http.MethodPost, Prefix+"routes/"+url.PathEscape(source)+"/"+url.PathEscape(route)+"/retry", nil, why{reasonOf(ctx, "")}, &n)
	return n, err
}

// Status returns how the instance is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, http.MethodGet, Prefix+"status", nil, nil, &s)
	return s, err
}

// DeadGroups returns how many dead letters ended alike.
func (c *Client) DeadGroups(ctx context.Context, f Filter) (g Groups, err error) {
	err = c.call(ctx, http.MethodGet, Prefix+"dead/groups", f.values(), nil, &g)
	return g, err
}

// Store returns how the store is.
func (c *Client) Store(ctx context.Context) (s Store, err error) {
	err = c.call(ctx, http.MethodGet, Prefix+"store", nil, nil, &s)
	return s, err
}
