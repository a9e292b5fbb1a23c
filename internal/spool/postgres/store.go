// Package postgres is the engine of spool.Store for several machines: PostgreSQL, 14
// or newer, through github.com/jackc/pgx/v5.
package postgres
