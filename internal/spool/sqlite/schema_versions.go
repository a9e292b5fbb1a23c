package sqlite

import (
	_ "embed"
	"fmt"

	"github.com/ncruces/go-sqlite3"
)

const (
	// schemaVersion is the version that this program makes. A store of an older one is
	// brought there when it is opened.
	schemaVersion = 2
	// orderVersion is the first whose deliveries have keys.
	orderVersion = 2
)

//go:embed schema.sql
var schemaFirst string

//go:embed schema_order.sql
var schemaOrder string

// schemaSteps make each version out of the one before it, the first out of nothing. A
// store that is made anew takes the same steps, so that no later one need know how old a
// store is.
var schemaSteps = []string{schemaFirst, schemaOrder}

// schemaUpTo returns what makes a version out of another.
func schemaUpTo(from, to int64) (sql string) {
	for _, step := range schemaSteps[from:to] {
		sql += step
	}
	return sql
}

// upgrade brings a store to the present version, in one transaction that is fsynced: a stop
// leaves a store of either version. It looks at the schema first, so that a damaged one
// is refused as it was found. A step that makes an index reads its table once.
func (w *writer) upgrade() error {
	version, err := w.c.one("PRAGMA user_version")
	if err != nil || version == schemaVersion {
		return w.explainDamage(err)
	}
	if _, err := compareSchema(w.c, version); err != nil {
		return w.explainDamage(err)
	}
	err = w.c.Exec(fmt.Sprintf(`BEGIN IMMEDIATE; %s PRAGMA user_version=%d; COMMIT`, schemaUpTo(version, schemaVersion), schemaVersion))
	if err != nil {
		return fmt.Errorf("bringing store from version %d to %d: %w", version, schemaVersion, err)
	}
	w.s.log.Info("the store was brought to the version of this program; an older program refuses it from now on", "from", version, "to", schemaVersion)
	return nil
}

// ownSchema returns the schema that this program makes of a version, from a database in
// memory: SQLite itself says how it writes it down.
func ownSchema(version int64) ([]object, error) {
	c, err := sqlite3.OpenFlags(":memory:", sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE|sqlite3.OPEN_MEMORY)
	if err != nil {
		return nil, err
	}
	model := &conn{Conn: c}
	defer func() { _ = model.shut() }()
	if err := model.Exec(schemaUpTo(0, version)); err != nil {
		return nil, err
	}
	return schemaOf(model)
}
