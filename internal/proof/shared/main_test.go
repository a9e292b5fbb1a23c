// Package shared breaks several real machines on one PostgreSQL, that database, and what
// lies between them, and looks from outside whether their promises were kept. It holds
// tests only; package machines runs the programs, package history judges.
package shared

import (
	"os"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }
