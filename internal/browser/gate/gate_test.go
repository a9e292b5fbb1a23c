package gate

import (
	"net/http"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	Clean()
	os.Exit(code)
}

func TestAnAppThatIsDownHoldsItsRouteAndCatchesUp(t *testing.T) {
	t.Parallel()
	app := NewApp(t)
	g := Start(t, Config{
		Routes: []Route{{Types: "*", Name: "app", App: app, Words: "retry 100ms"}},
		Pages:  "respond ok",
	})
	app.Answers(func(id string) Answer {
		if id == "no_00000" {
			return Answer{Status: http.StatusInternalServerError, Body: "no"}
		}
		return Answer{Status: http.StatusOK}
	})
	g.Send(t, Events("no", "message.failed", 1)...)
	app.AwaitTried(t, 2, "no_00000")
	app.Down()
	if got := g.Send(t, Events("evt", "message.read", 500)...); got["accepted"] != 500 {
		t.Errorf("answered %v", got)
	}
	g.AwaitRoutes(t, func(r RouteState) bool { return r.State == "held" && r.Waiting == 500 && r.Dead == 1 }, "app")
	app.Up(t)
	app.Await(t, 500)
	g.AwaitRoutes(t, func(r RouteState) bool { return r.State == "ready" && r.Waiting == 0 }, "app")
}
