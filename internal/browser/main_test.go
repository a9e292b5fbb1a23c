package browser

import (
	"os"
	"testing"

	"github.com/inboxgate/inboxgate/internal/browser/chrome"
	"github.com/inboxgate/inboxgate/internal/browser/gate"
)

func TestMain(m *testing.M) {
	code := m.Run()
	chrome.Close()
	gate.Clean()
	os.Exit(code)
}
