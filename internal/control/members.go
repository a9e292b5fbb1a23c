package control

import (
	"context"
	"net/http"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// Values of Store.Engine.
const (
	sqliteEngine   = "sqlite"
	postgresEngine = "postgres"
)

// Database is how a database is that holds a store.
type Database struct {
	// Address is where it is, without a password, and Version that of the server.
	Address string `json:"address"`
	Version string `json:"version"`
	// Schema is the number of the form that the tables have.
	Schema int `json:"schema"`
	// Durability is local or replica, and Batches how many may be under way, as this
	// process is configured.
	Durability string `json:"durability"`
	Batches    int    `json:"batches"`
	// Standbys counts those that commits wait for, and Synchronous reports whether the
	// server is set to wait for any.
	Standbys    int  `json:"standbys"`
	Synchronous bool `json:"synchronous"`
	// Connections counts those of this process, Reconnects those that were made again,
	// and Ambiguous the commits whose outcome had to be asked for.
	Connections int    `json:"connections"`
	Reconnects  uint64 `json:"reconnects"`
	Ambiguous   uint64 `json:"ambiguous_commits"`
	// Snapshot is the age of the oldest snapshot in seconds: what is removed stays on
	// disk for so long. Dead is about how many removed rows do.
	Snapshot float64 `json:"oldest_snapshot_seconds"`
	// Blind reports that the role may see neither standbys nor snapshots: both are 0
	// then, and unknown.
	Blind bool  `json:"blind,omitempty"`
	Dead  int64 `json:"dead_rows"`
}

// Member is a process that shares the store.
type Member struct {
	// Number is unique in the life of the store, and rises with each start.
	Number  int64  `json:"number"`
	Name    string `json:"name"`
	Version string `json:"version"`
	// Began is when it opened the store, and Seen when it was last heard of.
	Began time.Time `json:"started_at"`
	Seen  time.Time `json:"seen_at"`
	// Live reports whether it was heard of in the last minute, and Here whether it is the
	// one that answers.
	Live bool `json:"live"`
	Here bool `json:"here,omitempty"`
	// Serves and Holds are the routes that it serves, and those it holds, as
	// source/route.
	Serves []string `json:"serves"`
	Holds  []string `json:"holds"`
}

// members returns which processes share the store. Where that cannot be read the store
// shows itself as unavailable.
func (a *api) members(ctx context.Context) (all []Member) {
	shared, ok := a.Store.(spool.Shared)
	if !ok {
		return nil
	}
	list, err := shared.Members(ctx)
	if err != nil {
		return nil
	}
	for _, m := range list {
		all = append(all, Member{
			Number: m.Number, Name: m.Name, Version: m.Version, Began: m.Began, Seen: m.Seen, Live: m.Live, Here: m.Here,
			Serves: routeNames(m.Serves), Holds: routeNames(m.Holds),
		})
	}
	return all
}

func routeNames(keys []spool.RouteKey) []string {
	names := []string{}
	for _, k := range keys {
		names = append(names, k.Source+"/"+k.Route)
	}
	return names
}

// noHands returns the error of a command that the store cannot do itself, with what does
// it instead.
func (a *api) noHands(command string) error {
	if a.Instead == nil {
		return errNoHands
	}
	if text := a.Instead(command); text != "" {
		return &Error{http.StatusNotImplemented, text}
	}
	return errNoHands
}
