// Package faults breaks the real binary in every way of the fault table and
// looks from outside whether it kept its promises. It holds tests only; package
// rig runs the program, package history judges.
package faults

import (
	"os"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }
