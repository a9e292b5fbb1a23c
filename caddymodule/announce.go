package caddymodule

import (
	"time"

	"github.com/inboxgate/inboxgate/internal/instance"
)

// announce leaves the pointer until the process exits. Without it commands need
// --admin, which is no reason not to start.
func (a *App) announce() {
	address := instance.Admin()
	if address == "" {
		return
	}
	withdraw, err := instance.Announce(instance.Pointer{Admin: address, DataDir: a.dir, Started: started}, instance.Directories())
	if err != nil {
		a.log.Debug("commands find this process by its data directory only", "error", err)
		return
	}
	a.withdraw = withdraw
}

// started is when this process began, near enough.
var started = time.Now().UTC()
