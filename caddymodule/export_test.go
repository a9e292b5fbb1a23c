package caddymodule

import (
	"sync"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// CaddyState is held by each test that makes Caddy write its globals.
var CaddyState sync.Mutex

// StoreOf is the open store of a data directory, nil if there is none.
func StoreOf(dir string) spool.Store {
	key, err := canonical(dir)
	if err != nil {
		return nil
	}
	var store spool.Store
	storages.Range(func(k, v any) bool {
		if k == key {
			store = v.(*storage).store
		}
		return store == nil
	})
	return store
}

// OpenStorages counts the stores that are open in this process.
func OpenStorages() (n int) {
	storages.Range(func(any, any) bool { n++; return true })
	return n
}

// DrainAll does what an exiting process does with the attempts of a store.
func DrainAll(dir string, grace time.Duration) {
	key, _ := canonical(dir)
	storages.Range(func(k, v any) bool {
		if k == key {
			v.(*storage).drain(grace)
		}
		return true
	})
}
