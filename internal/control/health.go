package control

const (
	// HealthDirective is the directive whose site answers probes.
	HealthDirective = "inbox_health"
	// HealthHeader is in each answer to a probe, and tells it from that of any
	// other server.
	HealthHeader = "X-Inbox-Health"
)
