package storecopy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/inboxgate/inboxgate/internal/spool/postgres"
	"github.com/inboxgate/inboxgate/internal/spool/record"
	"github.com/inboxgate/inboxgate/internal/spool/sqlite"
)

// Place is where a store is, or is to be: a data directory (or a copy's file), or a
// database.
type Place struct {
	path string
	dsn  string // empty for a path
	name string // for people, without a password
}

// errPassword is why a URL with a password is refused.
var errPassword = errors.New("the list of processes shows arguments to everybody on the machine, and this URL has a password: " +
	"put it into a variable and give env:NAME, or into a file and give file:PATH")

// ParsePlace reads an argument: the path of a data directory, the URL of a database
// (postgres://…) that has no password, env:NAME for a variable that has one, or file:PATH
// for a file that has one. It connects to nothing. Its errors quote no URL.
func ParsePlace(arg string) (Place, error) {
	var dsn string
	switch scheme, rest, _ := strings.Cut(arg, ":"); {
	case arg == "":
		return Place{}, errors.New("it is empty: name a data directory, or the URL of a database")
	case scheme == "env":
		if dsn = os.Getenv(rest); dsn == "" {
			return Place{}, fmt.Errorf("the variable %s is not set: it is to have the database's URL", rest)
		}
	case scheme == "file":
		b, err := os.ReadFile(rest)
		if err != nil {
			return Place{}, fmt.Errorf("reading the database's URL: %w", err)
		}
		if dsn = strings.TrimSpace(string(b)); dsn == "" {
			return Place{}, fmt.Errorf("%s is empty: it is to have the database's URL", rest)
		}
	case scheme == "postgres", scheme == "postgresql":
		if hasPassword(arg) {
			return Place{}, errPassword
		}
		dsn = arg
	default:
		return Place{path: arg, name: arg}, nil
	}
	target, err := postgres.ParseTarget(dsn)
	if err != nil {
		return Place{}, err
	}
	return Place{dsn: dsn, name: target.String()}, nil
}

// hasPassword reports whether a URL has a password in it, or may have one.
func hasPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "@")
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password") || u.Query().Has("sslpassword")
}

// String returns the place without a password.
func (p Place) String() string { return p.name }

// reader is a store that nobody uses, read row by row.
type reader interface {
	Head(ctx context.Context) (record.Head, error)
	Counts(ctx context.Context) (record.Counts, error)
	Events(ctx context.Context, f func(record.EventRow) error) error
	Deliveries(ctx context.Context, f func(record.DeliveryRow) error) error
	IDs(ctx context.Context, f func(record.IDRow) error) error
	Odd(ctx context.Context, f func(record.OddRow) error) error
	Close() error
}

// writer is a store that is being made. Until Finish nothing can open it.
type writer interface {
	reader
	PutHead(ctx context.Context, h record.Head) error
	PutEvents(ctx context.Context, all []record.EventRow) error
	PutDeliveries(ctx context.Context, all []record.DeliveryRow) error
	PutIDs(ctx context.Context, all []record.IDRow) error
	FlushIDs(ctx context.Context) error
	PutOdd(ctx context.Context, all []record.OddRow) error
	Finish(ctx context.Context) error
}

// open opens a store that nobody uses.
func (p Place) open(ctx context.Context) (reader, error) {
	if p.dsn != "" {
		s, err := postgres.OpenCopySource(ctx, p.dsn)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := sqlite.OpenCopySource(p.path)
	if errors.Is(err, sqlite.ErrInUse) {
		return nil, fmt.Errorf("%w: stop it first, or copy a backup of it (`inboxgate store backup`)", err)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// begin begins a store that is to be filled.
func (p Place) begin(ctx context.Context) (writer, error) {
	if p.dsn != "" {
		t, err := postgres.NewCopyTarget(ctx, p.dsn)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	t, err := sqlite.NewCopyTarget(p.path)
	if err != nil {
		return nil, err
	}
	return t, nil
}
