//go:build linux

package shared

import (
	"testing"

	"github.com/inboxgate/inboxgate/internal/proof/history"
	"github.com/inboxgate/inboxgate/internal/proof/machines"
)

// TestControlAsynchronousStandby: the checker sees what a failover loses that nobody is
// protected from. The standby is asynchronous, its receiver is paused and killed, and the
// primary is lost.
func TestControlAsynchronousStandby(t *testing.T) {
	t.Parallel()
	f := machines.New(t, machines.Options{Standby: "async"})
	f.Start()
	stop := f.Background(0)
	f.AwaitAcked(300)
	f.Shake(func() error {
		if err := f.Standby.PauseReceiver(); err != nil {
			return err
		}
		f.AwaitAcked(200)
		if err := f.Primary.Kill(); err != nil {
			return err
		}
		return f.Standby.Promote()
	})
	f.Primary, f.Standby = f.Standby, nil
	f.AwaitAcked(100)
	stop()
	f.Stop()
	f.Books()
	report := f.Log.Check(history.Rules{Several: true})
	if report.Lost < 100 {
		t.Errorf("the checker finds %d lost, of 200 and more that no standby had:\n%s", report.Lost, history.First(report.Violations))
	}
	t.Logf("%d acknowledged, %d lost", report.Acked, report.Lost)
}
