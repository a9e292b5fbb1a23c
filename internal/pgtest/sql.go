//go:build linux

package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// DSN is the address of a database, over TCP on the loopback.
func (c *Cluster) DSN(database string) string { return DSNOf(database, c) }

// DSNOf is the address of a database on whichever of the clusters takes writes.
func DSNOf(database string, clusters ...*Cluster) string {
	hosts := make([]string, len(clusters))
	for i, c := range clusters {
		hosts[i] = c.Address()
	}
	dsn := fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user0, strings.Join(hosts, ","), database)
	if len(clusters) > 1 {
		dsn += "&target_session_attrs=read-write"
	}
	return dsn
}

// SocketDSN is the address of a database over the Unix socket.
func (c *Cluster) SocketDSN(database string) string {
	q := url.Values{"host": {c.sockets}, "port": {fmt.Sprint(c.port)}, "sslmode": {"disable"}}
	return fmt.Sprintf("postgres://%s@/%s?%s", user0, database, q.Encode())
}

// Address is where the cluster listens, as host:port.
func (c *Cluster) Address() string {
	return fmt.Sprintf("%s:%d", cmp.Or(c.options.Network.Host, "127.0.0.1"), c.port)
}

// Dir is the directory of the cluster's data.
func (c *Cluster) Dir() string { return c.dir }

func (c *Cluster) connect(database string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return pgx.Connect(ctx, c.SocketDSN(database))
}

func hangUp(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return conn.Close(ctx)
}

// in runs f on a connection to a database of its own, for at most Patience.
func (c *Cluster) in(database string, f func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := c.connect(database)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return errors.Join(f(ctx, conn), hangUp(conn))
}

// Exec runs statements in a database, one after the other, each in a transaction of its
// own.
func (c *Cluster) Exec(database string, statements ...string) error {
	return c.in(database, func(ctx context.Context, conn *pgx.Conn) error {
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("running %q: %w", s, err)
			}
		}
		return nil
	})
}

// One returns the one value that a query of a database has for its answer.
func One[T any](c *Cluster, database, query string, args ...any) (value T, err error) {
	err = c.in(database, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query, args...).Scan(&value)
	})
	if err != nil {
		return value, fmt.Errorf("asking %q: %w", query, err)
	}
	return value, nil
}

// Until waits until a query of a database, which answers one boolean, is true. It asks
// again also where the server is away for the moment.
func (c *Cluster) Until(database, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		yes, err := c.ask(ctx, database, query, args...)
		if yes && err == nil {
			return nil
		}
		last = err
		time.Sleep(pause)
	}
	return errors.Join(fmt.Errorf("%q is not true after %s", query, Patience), last)
}

// ask asks on one session until the answer is true or the session fails.
func (c *Cluster) ask(ctx context.Context, database, query string, args ...any) (yes bool, err error) {
	conn, err := pgx.Connect(ctx, c.SocketDSN(database))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, hangUp(conn)) }()
	for {
		if err := conn.QueryRow(ctx, query, args...).Scan(&yes); yes || err != nil {
			return yes, err
		}
		time.Sleep(pause)
	}
}

// CreateDatabase makes an empty database and returns its name.
func (c *Cluster) CreateDatabase() (string, error) {
	name := c.home.next("d")
	return name, c.Exec("postgres", "CREATE DATABASE "+name)
}

// DropDatabase removes a database and ends the sessions that it has.
func (c *Cluster) DropDatabase(name string) error {
	return c.Exec("postgres", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}
