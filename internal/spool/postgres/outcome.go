package postgres

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// What an error says of a transaction.
var (
	// errRolledBack: it has certainly changed nothing, and may be sent again at once.
	errRolledBack = errors.New("the database rolled back")
	// errMark: it was rolled back because an id was forgotten meanwhile.
	errMark = errors.New("ids were forgotten meanwhile")
	// errPooled: it was rolled back because a pooler is in front that gives each
	// transaction to another session, which has not got our prepared statements.
	errPooled = fmt.Errorf("%w: prepared statements are not kept", errRolledBack)
	// errUnknown: it may have been committed, or may yet be.
	errUnknown = errors.New("the outcome is unknown")
	// errWarned: it was committed and not waited for.
	errWarned = errors.New("the database warned of a commit")
	// errElsewhere: the server does not take changes (any more).
	errElsewhere = errors.New("the server is a standby, or takes no changes")
	// errSetUp: nothing helps but another configuration.
	errSetUp = errors.New("the database cannot be used as it is")
)

// classify returns an error of the driver as one that callers branch on. No error ever
// proves that nothing was written, unless the server said so.
func classify(err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		if errors.Is(err, errWarned) {
			return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errUnknown, err)
		}
		var refused *pgconn.ConnectError
		if errors.As(err, &refused) {
			return fmt.Errorf("%w: %w", spool.ErrUnavailable, err)
		}
		var cert *tls.CertificateVerificationError
		switch {
		case errors.As(err, &cert):
			return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errSetUp, err)
		case strings.Contains(err.Error(), "preprocessing batch (prepare)"): // Nothing was begun.
			return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errRolledBack, err)
		}
		return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errUnknown, err)
	}
	switch code := pe.Code; {
	case code == "22012": // Only the check of marks divides by zero.
		return errMark
	case code == "42P05", code == "26000":
		return fmt.Errorf("%w: %w", errPooled, withoutDetail(pe))
	case strings.Contains(pe.Message, "statement pooling"):
		return fmt.Errorf("%w: %w: a pooler in statement mode is in front of the database, where no transaction is whole: use its session or transaction mode", spool.ErrUnavailable, errSetUp)
	case code == "42501":
		return fmt.Errorf("%w: %w: %w: have the owner of the tables GRANT USAGE ON SCHEMA, SELECT, INSERT, UPDATE, DELETE ON ALL TABLES and USAGE, SELECT ON ALL SEQUENCES IN SCHEMA to this role", spool.ErrUnavailable, errSetUp, withoutDetail(pe))
	case code == "40P01", code == "40001", code == "55P03", code == "57014", code == "0A000" && strings.Contains(pe.Message, "cached plan"):
		return fmt.Errorf("%w: %w", errRolledBack, withoutDetail(pe))
	case code == "25006":
		return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errElsewhere, withoutDetail(pe))
	case code == "53100", code == "53200", code == "53000":
		return fmt.Errorf("%w: the database has no room: %w", spool.ErrFull, withoutDetail(pe))
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"), code == "40003", strings.HasPrefix(code, "53"), strings.HasPrefix(code, "XX"), strings.HasPrefix(code, "58"):
		return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errUnknown, withoutDetail(pe))
	case code == "42P01", code == "3F000", strings.HasPrefix(code, "28"), code == "3D000":
		return fmt.Errorf("%w: %w: %w", spool.ErrUnavailable, errSetUp, withoutDetail(pe))
	}
	return withoutDetail(pe)
}

// withoutDetail returns the server's error without what it quotes of a row: that may be
// of an event.
func withoutDetail(pe *pgconn.PgError) error {
	return fmt.Errorf("%s: %s (SQLSTATE %s)", pe.Severity, pe.Message, pe.Code)
}

// withoutSecrets returns why connecting failed, which may quote what was connected with.
func withoutSecrets(err error, c *pgx.ConnConfig) error {
	text := err.Error()
	if c.Password != "" {
		text = strings.ReplaceAll(text, c.Password, "***")
	}
	var pe *pgconn.PgError
	var cert *tls.CertificateVerificationError
	if errors.As(err, &pe) && (strings.HasPrefix(pe.Code, "28") || pe.Code == "3D000") || errors.As(err, &cert) {
		return fmt.Errorf("%w: %s", errSetUp, text)
	}
	return errors.New(text)
}
