package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/inboxgate/inboxgate/internal/env"
	"github.com/inboxgate/inboxgate/internal/spool/postgres"
)

// variable is one of the environment that ends up in the Caddyfile.
type variable struct {
	name string
	// Two parts of the help text.
	byDefault, use string
	set            func(s *settings, value string) error
}

var variables = []variable{
	{env.Upstream, "", "your app, for example app:3000 or http://app:3000/hooks", upstream("")},
	{env.UpstreamDelivered, "", "another app for message.delivered", upstream("message.delivered")},
	{env.UpstreamRead, "", "… for message.read", upstream("message.read")},
	{env.UpstreamFailed, "", "… for message.failed", upstream("message.failed")},
	{env.UpstreamAction, "", "… for message.action", upstream("message.action")},
	{env.Listen, ":8080", "a port or address; a host name turns on HTTPS", plain((*settings).listen)},
	{env.Path, "/webhooks/inbox", "the path of the webhook", plain((*settings).path)},
	{env.TrustedProxies, "", "networks of proxies in front, or private_ranges", proxies},
	{env.DataDir, "in Caddy's data directory", "where events are stored", appOption("data_dir")},
	{env.DatabaseURL, "", "a PostgreSQL database, to share the store", database},
	{env.DatabaseURLFile, "", "or a file with it, read again at each connection", databaseFile},
	{env.DatabaseDurability, "local", "replica: a standby has each event too", storageOption("durability")},
	{env.DatabaseBatches, "1", "2 where commits wait for a network", storageOption("batches")},
	{env.MemberName, "the machine's", "its name among those that share the store", storageOption("name")},
	{env.RetrySchedule, "30s,2m,8m,32m,2h", "the delays after each failed attempt", schedule},
	{env.Timeout, "10s", "how long an app may take for one event", routeOption("timeout")},
	{env.MaxInFlight, "32", "events an app works on at once; 8,each: of each member", listOption("max_in_flight")},
	{env.Rate, "", "events a second at most: 50, or 50,10 with a burst", listOption("rate")},
	{env.Order, "", "message_id: events of one message go one after another", routeOption("order")},
	{env.Window, "24h", "how long an event id is remembered", appOption("window")},
	{env.Retention, "72h", "how long delivered events are kept", appOption("retention")},
	{env.OpsListen, env.DefaultOpsListen, "where probes and metrics are; off for none", plain((*settings).ops)},
	{env.Admin, "a socket in the data directory", "operator's API; off for none", adminAddress},
	{env.Dashboard, "", "the operator's pages, for example " + defaultDashboard, plain((*settings).dashboard)},
	{env.DashboardUser, "", "who may open them from other machines", plain((*settings).dashboardUser)},
	{env.DashboardPasswordHash, "", "the output of `inboxgate hash-password`", dashboardHash},
	{env.DashboardPasswordHashFile, "", "or a file that holds it", dashboardHashFile},
	{env.DashboardActions, "read; on loopback all", "read, operate, or operate,reveal", dashboardActions},
	{env.MaxSize, "10GiB", "the size of the store at most", appOption("max_size")},
}

func typeVariables() []variable { return variables[1:5] }

// names are all variables that the built-in Caddyfile or the module reads.
func names() []string {
	all := []string{env.Secret, env.SecretFile, env.AdminToken, env.AdminTokenFile}
	for _, v := range variables {
		all = append(all, v.name)
	}
	return all
}

func upstream(typ string) func(*settings, string) error {
	return func(s *settings, value string) error {
		addresses, err := list(value)
		if err != nil {
			return err
		}
		r := route{Type: typ, Upstreams: addresses}
		// In an `on` the words before the first address are types, and a word
		// without a port would be taken for one.
		for _, a := range addresses {
			if _, err := strconv.ParseUint(a, 10, 16); err == nil {
				return fmt.Errorf("'%s' is a port without a host: write it as 127.0.0.1:%s", a, a)
			}
			if !strings.ContainsAny(a, ":/") {
				return fmt.Errorf("'%s' has no port: write it as %s:3000", a, a)
			}
		}
		s.Routes = append(s.Routes, r)
		return nil
	}
}

func schedule(s *settings, value string) (err error) {
	s.Retry, err = list(value)
	return err
}

// routeOption sets a word of every route.
func routeOption(word string) func(*settings, string) error {
	return plain(func(s *settings, value string) error {
		s.Each = append(s.Each, words{word, []string{value}})
		return nil
	})
}

// listOption is routeOption for a word that may have several values.
func listOption(word string) func(*settings, string) error {
	return func(s *settings, value string) error {
		values, err := list(value)
		if err != nil {
			return err
		}
		s.Each = append(s.Each, words{word, values})
		return nil
	}
}

func appOption(word string) func(*settings, string) error {
	return plain(func(s *settings, value string) error {
		s.App = append(s.App, option{word, value})
		return nil
	})
}

// database has the module read the address from the environment itself: no Caddyfile
// has the password.
func database(s *settings, value string) error {
	s.Database = true
	_, err := postgres.ParseTarget(value)
	return err
}

func databaseFile(s *settings, value string) error {
	s.Database = true
	if _, err := os.Stat(value); err != nil {
		return fmt.Errorf("%w: set it to the path of a file that inboxgate may read", err)
	}
	return nil
}

// storageOption sets a word of the block of `storage`.
func storageOption(word string) func(*settings, string) error {
	return plain(func(s *settings, value string) error {
		s.Storage = append(s.Storage, option{word, value})
		return nil
	})
}

// adminAddress may hold a mode behind a bar, which quotes keep together.
func adminAddress(s *settings, value string) error {
	if err := checkPlain(value); err != nil {
		return err
	}
	return s.admin(value)
}

func (s *settings) path(value string) error {
	if !strings.HasPrefix(value, "/") || strings.ContainsAny(value, "?#* ") {
		return errors.New("it must be one path that begins with a slash, for example /webhooks/inbox")
	}
	s.Path = value
	return nil
}

// plain sets a value only if nothing in it has a meaning for the Caddyfile.
func plain(set func(*settings, string) error) func(*settings, string) error {
	return func(s *settings, value string) error {
		if err := checkPlain(value); err != nil {
			return err
		}
		return set(s, value)
	}
}

// list takes the words of a value apart, at commas and white space.
func list(value string) ([]string, error) {
	words := strings.FieldsFunc(value, func(r rune) bool {
		return strings.ContainsRune(", \t\r\n", r)
	})
	if len(words) == 0 {
		return nil, errors.New("it holds nothing but commas: give a value, or unset it")
	}
	for _, w := range words {
		if err := checkPlain(w); err != nil {
			return nil, err
		}
	}
	return words, nil
}
