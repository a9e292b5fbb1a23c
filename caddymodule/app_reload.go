package caddymodule

import (
	"context"
	"fmt"
	"time"
)

// leaveStore looks at the store that a reload leaves for another one, or for none.
// It refuses while deliveries wait there: they would reach no app, and without its
// ids an event could be accepted twice.
func (a *App) leaveStore(needed bool) error {
	old := activeApp()
	if old == nil || old == a || needed && old.dir == a.dir {
		return nil
	}
	run := old.started()
	if run == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	states, err := run.Store.Routes(ctx)
	if err != nil && needed {
		return fmt.Errorf("data_dir changes from %s to %s, and what waits in the former cannot be counted: %w: reload with the former data_dir, or stop inboxgate, move the directory, and start", old.dir, a.dir, err)
	}
	waiting := int64(0)
	for _, s := range states {
		waiting += s.Waiting + s.Running
	}
	switch {
	case !needed:
		a.log.Warn("no webhook needs the store any more; what is in it stays there", "store", old.dir, "deliveries", waiting)
	case waiting > 0:
		return fmt.Errorf("data_dir changes from %s to %s while %d deliveries wait in the former: they would reach no app, and its ids would be forgotten. Reload when none waits (`routes list` shows them), or stop inboxgate, move the directory, and start",
			old.dir, a.dir, waiting)
	default:
		a.log.Warn("data_dir has changed: the former store stays where it is, and a copy of an event that it knows is accepted again", "former", old.dir, "store", a.dir, "deliveries", 0)
	}
	return nil
}
