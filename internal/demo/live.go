package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// linesASecond is how many arrivals are told one by one: a storm would scroll all else
// away.
const linesASecond = 12

// follow prints what arrives, until ctx ends. Where more comes than anybody can read it
// tells how many more.
func (d *demo) follow(ctx context.Context) {
	came := d.ledger.passOn()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	told, more := 0, 0
	for {
		select {
		case a := <-came:
			if told++; told > linesASecond {
				more++
				continue
			}
			d.arrived(a)
		case <-second.C:
			if more += d.ledger.takeMissed(); more > 0 {
				d.say("  … and %d more", more)
			}
			told, more = 0, 0
		case <-ctx.Done():
			return
		}
	}
}

// arrived prints one arrival, with the answer if it is none that the app began with.
func (d *demo) arrived(a arrival) {
	answer := ""
	if a.status != http.StatusOK {
		answer = "  " + d.paint.Bad(fmt.Sprint("answered ", a.status))
	}
	d.say("  %s  %-7s  %-17s  %s%s", a.at.Format(time.TimeOnly), a.receiver, a.typ, a.id, answer)
}
