package gate

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// RouteState is what the operator's API says of a route, as far as tests ask for it.
type RouteState struct {
	Source, Route string
	// State is ready, slowed, held, held by hand, or parked.
	State                  string
	Waiting, Running, Dead int64
}

// Routes returns the state of all routes.
func (g *Gate) Routes(t testing.TB) []RouteState {
	t.Helper()
	var answer struct{ Routes []RouteState }
	if err := json.Unmarshal([]byte(g.API(t, "/inbox/routes")), &answer); err != nil {
		t.Fatalf("reading the routes: %v", err)
	}
	return answer.Routes
}

// AwaitRoutes returns once the named routes are all as wanted.
func (g *Gate) AwaitRoutes(t testing.TB, wanted func(RouteState) bool, names ...string) {
	t.Helper()
	err := until(func() error {
		there := 0
		all := g.Routes(t)
		for _, r := range all {
			if slices.Contains(names, r.Route) && wanted(r) {
				there++
			}
		}
		if there < len(names) {
			return fmt.Errorf("the routes %v are not as wanted: %+v", names, all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
