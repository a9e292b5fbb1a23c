package dashboard

// Forget drops what is kept of the API's answers.
func (d *Dashboard) Forget() {
	d.changed()
	d.minutes.forget()
}
