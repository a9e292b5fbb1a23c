package spooltest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/inboxgate/inboxgate/internal/spool/spooltest"
	"github.com/inboxgate/inboxgate/internal/spool/spooltest/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, memstore.Make())
}

func TestMemoryWithLazySettles(t *testing.T) {
	t.Parallel()
	spooltest.Run(t, memstore.Make(memstore.SettlesLazily))
}

func TestSharedMemory(t *testing.T) {
	t.Parallel()
	spooltest.RunShared(t, memstore.MakeShared())
}

func TestSharedMemoryWithLazySettles(t *testing.T) {
	t.Parallel()
	spooltest.RunShared(t, memstore.MakeShared(memstore.SettlesLazily))
}
