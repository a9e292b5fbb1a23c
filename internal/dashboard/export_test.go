package dashboard

import "time"

// Patient lets pages take as long as a loaded machine needs, under the race detector too.
func (d *Dashboard) Patient() {
	d.within, d.status.within, d.minutes.within = time.Hour, time.Hour, time.Hour
}

// Forget drops what is kept of the API's answers.
func (d *Dashboard) Forget() {
	d.changed()
	d.minutes.forget()
}
