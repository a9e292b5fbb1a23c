// Package env reads what inboxgate takes from its environment: the names of the
// variables, and the values of those that more than one part of it reads.
//
// Guarantee: a value is judged in one place, so that the program which runs and
// the command beside it agree on it; an error names the variable and ends in the
// fix, and never holds a secret.
//
// Limits: most variables of the sidecar become words of a Caddyfile, and are
// judged by its parser. Of those this package knows the names only.
package env

import "github.com/inboxgate/inboxgate/verify"

// Prefix is what the names of all variables begin with.
const Prefix = "INBOX_"

// Names of the variables for what senders and operators must show.
const (
	Secret         = verify.EnvSecret
	SecretFile     = verify.EnvSecretFile
	Admin          = Prefix + "ADMIN" // The operator's API: unix//path, host:port, or off.
	AdminToken     = Prefix + "ADMIN_TOKEN"
	AdminTokenFile = Prefix + "ADMIN_TOKEN_FILE"
)

// Names of the variables of the commands that ask the platform's API.
const (
	APIURL     = Prefix + "API_URL"
	APIKey     = Prefix + "API_KEY"
	APIKeyFile = Prefix + "API_KEY_FILE"
)

// Names of the variables that the sidecar makes a Caddyfile of.
const (
	Upstream          = Prefix + "UPSTREAM"
	UpstreamDelivered = Upstream + "_MESSAGE_DELIVERED"
	UpstreamRead      = Upstream + "_MESSAGE_READ"
	UpstreamFailed    = Upstream + "_MESSAGE_FAILED"
	UpstreamAction    = Upstream + "_MESSAGE_ACTION"
	Listen            = Prefix + "LISTEN"
	Path              = Prefix + "PATH"
	TrustedProxies    = Prefix + "TRUSTED_PROXIES"
	DataDir           = Prefix + "DATA_DIR"
	RetrySchedule     = Prefix + "RETRY_SCHEDULE"
	Timeout           = Prefix + "TIMEOUT"
	MaxInFlight       = Prefix + "MAX_IN_FLIGHT"
	Rate              = Prefix + "RATE"
	Order             = Prefix + "ORDER"
	Window            = Prefix + "WINDOW"
	Retention         = Prefix + "RETENTION"
	MaxSize           = Prefix + "MAX_SIZE"
	OpsListen         = Prefix + "OPS_LISTEN"
)

// Names of the variables of the operator's pages.
const (
	Dashboard                 = Prefix + "DASHBOARD" // Their address: host:port, unix//path, or off.
	DashboardUser             = Dashboard + "_USER"
	DashboardPasswordHash     = Dashboard + "_PASSWORD_HASH"
	DashboardPasswordHashFile = DashboardPasswordHash + "_FILE"
	DashboardActions          = Dashboard + "_ACTIONS" // read, operate, or operate,reveal.
)

// Names of the variables for a store that several machines share.
const (
	DatabaseURL     = Prefix + "DATABASE_URL"
	DatabaseURLFile = Prefix + "DATABASE_URL_FILE"
	// DatabaseDurability is local or replica, DatabaseBatches 1 or 2.
	DatabaseDurability = Prefix + "DATABASE_DURABILITY"
	DatabaseBatches    = Prefix + "DATABASE_BATCHES"
	MemberName         = Prefix + "MEMBER_NAME"
)

// DefaultOpsListen is where probes and metrics are without OpsListen.
const DefaultOpsListen = "127.0.0.1:9180"
