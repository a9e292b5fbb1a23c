package spool

import "time"

// Settings are what an operator may change while a store is open. Zero values
// mean the defaults.
type Settings struct {
	// Window is how long an id is remembered at least. Default 24 h.
	Window time.Duration
	// Retention is how long delivered events are kept, and undelivered ones
	// wait before they become dead letters. Default 72 h.
	Retention time.Duration
	// MaxSize bounds the store in bytes. Default 10 GiB.
	MaxSize int64
}

// Default settings.
const (
	DefaultWindow    = 24 * time.Hour
	DefaultRetention = 72 * time.Hour
	DefaultMaxSize   = 10 << 30
	// MinWindow is the shortest window allowed: the platform's own retries
	// span 2 h 42 m 30 s.
	MinWindow = 4 * time.Hour
)

// WithDefaults returns the settings with defaults for zero values.
func (s Settings) WithDefaults() Settings {
	if s.Window == 0 {
		s.Window = DefaultWindow
	}
	if s.Retention == 0 {
		s.Retention = DefaultRetention
	}
	if s.MaxSize == 0 {
		s.MaxSize = DefaultMaxSize
	}
	return s
}
