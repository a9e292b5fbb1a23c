package postgres

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DefaultSchema is where the tables are unless the search_path of the DSN says where.
const DefaultSchema = "inboxgate"

// Target is where a DSN leads, without its password.
type Target struct {
	// Hosts are "host:port", or the path of a Unix socket's directory and port, in the
	// order in which they are tried.
	Hosts []string
	// Database, User and Schema are those that are used there.
	Database, User, Schema string

	insecure string
}

// ParseTarget reads a DSN, a URL or libpq's keywords, and connects to nothing. Its
// errors quote neither the DSN nor a part of it, because that may be the password.
func ParseTarget(dsn string) (Target, error) {
	_, t, err := parse(dsn)
	return t, err
}

// String returns the target as a URL without a password.
func (t Target) String() string {
	u := url.URL{Scheme: "postgres", Path: "/" + t.Database, RawQuery: "schema=" + url.QueryEscape(t.Schema)}
	if t.User != "" {
		u.User = url.User(t.User)
	}
	u.Host = strings.Join(t.Hosts, ",")
	if slices.ContainsFunc(t.Hosts, func(h string) bool { return strings.HasPrefix(h, "/") }) {
		u.Host = ""
		u.RawQuery = "host=" + strings.Join(t.Hosts, ",") + "&" + u.RawQuery
	}
	return u.String()
}

// Key identifies the storage: two DSNs of one Key lead to the same events, whoever
// connects and however.
func (t Target) Key() string {
	hosts := slices.Sorted(slices.Values(t.Hosts))
	return "postgres:" + strings.Join(hosts, ",") + "/" + t.Database + "/" + t.Schema
}

// Insecure returns why what is sent can be read or changed on its way, empty if it
// cannot.
func (t Target) Insecure() string { return t.insecure }

// schemaName is what a schema may be called here: no name that needs quotes, so that no
// statement can be changed by one.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

var errDSN = errors.New("the database's URL cannot be read: it is to be like postgres://user:password@host:5432/database?sslmode=verify-full, with special characters of the password written as %XX")

// parse returns the configuration of connections to a DSN, and where it leads.
func parse(dsn string) (*pgx.ConnConfig, Target, error) {
	if strings.TrimSpace(dsn) == "" {
		return nil, Target{}, errors.New("the database's URL is empty: it is to be like postgres://user:password@host:5432/database")
	}
	c, err := pgx.ParseConfig(strings.TrimSpace(dsn))
	if err != nil {
		return nil, Target{}, whyNot(err)
	}
	t := Target{Database: c.Database, User: c.User, Schema: DefaultSchema}
	if path := c.RuntimeParams["search_path"]; path != "" {
		t.Schema, _, _ = strings.Cut(path, ",")
		t.Schema = strings.TrimSpace(t.Schema)
	}
	if !schemaName.MatchString(t.Schema) {
		return nil, Target{}, errors.New("the schema in search_path is to be of small letters, digits and _, and to begin with no digit")
	}
	// The schema is named by every statement's search_path, which poolers may drop.
	delete(c.RuntimeParams, "search_path")
	add := func(host string, port uint16) {
		h := net.JoinHostPort(host, strconv.Itoa(int(port)))
		if strings.HasPrefix(host, "/") {
			h = host + ":" + strconv.Itoa(int(port))
		}
		if !slices.Contains(t.Hosts, h) { // pgx lists a host twice for sslmode=prefer.
			t.Hosts = append(t.Hosts, h)
		}
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	t.insecure = insecure(c)
	return c, t, nil
}

// whyNot returns an error of pgx's parser without what it quotes: the parser hides a
// password only where it finds one.
func whyNot(err error) error {
	var pe *pgconn.ParseConfigError
	if errors.As(err, &pe) {
		if inner := errors.Unwrap(err); inner != nil {
			for _, word := range []string{"sslmode", "target_session_attrs", "connect_timeout", "sslrootcert", "root.crt", "service", "passfile"} {
				if strings.Contains(inner.Error(), word) || strings.Contains(err.Error(), word) {
					return fmt.Errorf("%w; what is wrong is about %s", errDSN, word)
				}
			}
		}
	}
	return errDSN
}

// insecure says what Target.Insecure returns.
func insecure(c *pgx.ConnConfig) string {
	check := func(host string, verified bool) string {
		switch ip := net.ParseIP(host); {
		case strings.HasPrefix(host, "/"), host == "localhost", ip != nil && ip.IsLoopback(), verified:
			return ""
		}
		return "sslmode is below verify-full, so that whoever is on the way to " + host + " can read and change what is sent: add sslmode=verify-full, and sslrootcert where the server's certificate is of your own authority"
	}
	why := check(c.Host, c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify)
	for _, f := range c.Fallbacks {
		if why == "" {
			why = check(f.Host, f.TLSConfig != nil && !f.TLSConfig.InsecureSkipVerify)
		}
	}
	return why
}
