package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/inboxgate/inboxgate/internal/proctest"
	"github.com/inboxgate/inboxgate/internal/testapp"
)

// limited is an app behind a bucket of 10 tokens that fills with 10 a second.
func limited(app http.Handler) http.HandlerFunc {
	var mu sync.Mutex
	tokens, last := 10.0, time.Now()
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := time.Now()
		tokens, last = min(10, tokens+10*now.Sub(last).Seconds()), now
		ok := tokens >= 1
		if ok {
			tokens--
		}
		mu.Unlock()
		if ok {
			app.ServeHTTP(w, r)
			return
		}
		refuse(w)
	}
}

// refuse says that the app takes no more for a second.
func refuse(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusTooManyRequests)
}

// begin starts an app.
func begin(t *testing.T, app *testapp.App) {
	t.Helper()
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
}

// startLimited starts inboxgate for an app at that address, with a short schedule.
func startLimited(t *testing.T, app string, pairs ...string) *standing {
	t.Helper()
	return stand(t, append([]string{"INBOX_UPSTREAM=" + app, "INBOX_RETRY_SCHEDULE=1s,2s,3s,4s,5s"}, pairs...)...)
}

// 600 events wait for an app that takes ten a second, which says so itself or
// has nginx say it: all come, and none is dead. That takes little more than a
// minute where the machine has nothing else to do.
func TestABacklogForAnAppWithALimit(t *testing.T) {
	t.Parallel()
	for name, nginx := range map[string]string{
		"429 with Retry-After": "", "nginx, 429": "limit_req_status 429;", "nginx, its default 503": " ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if nginx != "" {
				proctest.Needs(t, "nginx")
			}
			app := testapp.At(t, proctest.FreeAddress(t))
			listen := app.Addr
			s := startLimited(t, listen)
			for range 600 {
				s.post()
			}
			began := time.Now()
			if nginx == "" {
				app.Handler = limited(app)
			} else {
				app.Addr = proctest.FreeAddress(t)
				startNginx(t, listen, app.Addr, nginx)
			}
			begin(t, app)
			slowed := false
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			err := app.Until(ctx, func() bool {
				if n := app.Events(); !slowed && n > 100 && n < 500 {
					list := s.routesList()
					slowed = strings.Contains(list, "slowed: status ") && strings.Contains(list, "/s")
				}
				return app.Events() == 600
			})
			t.Logf("%d events after %v", app.Events(), time.Since(began))
			if err != nil || strings.Contains(s.Output(), "dead letter") {
				t.Errorf("%d of 600 delivered; %d dead letters; %v", app.Events(), strings.Count(s.Output(), `"dead letter"`), err)
			}
			if !slowed {
				t.Errorf("routes list does not say that the route is slowed:\n%s", s.routesList())
			}
			if code := s.Stop(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// startNginx limits what comes to an address and passes it on.
func startNginx(t *testing.T, listen, behind, more string) {
	t.Helper()
	dir := t.TempDir()
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	limit_req_zone $server_port zone=app:1m rate=10r/s;
	server { listen %[2]s; location / { limit_req zone=app; %[4]s proxy_pass http://%[3]s; } }
}`, dir, listen, behind, more)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	proctest.Start(t, exec.Command("nginx", "-p", dir, "-c", path))
}

// An event that is alone and told 429 for ever ends on its schedule.
func TestAnEventAloneWithALimit(t *testing.T) {
	t.Parallel()
	app := testapp.New(t, func(w http.ResponseWriter, _ *http.Request, _ testapp.Arrival) { refuse(w) })
	s := startLimited(t, app.Addr)
	s.post()
	s.Await(t, `"dead letter"`, 1)
	if asked := len(app.Arrivals()); asked < 6 || asked > 8 {
		t.Errorf("%d attempts, the schedule has 6", asked)
	}
	s.Stop(t)
}

// A rate bounds what comes to an app, of a backlog and of what is sent meanwhile.
func TestARateIsKeptAtTheApp(t *testing.T) {
	t.Parallel()
	app := testapp.At(t, proctest.FreeAddress(t))
	s := startLimited(t, app.Addr, "INBOX_RATE=50 10")
	for range 100 {
		s.post()
	}
	begin(t, app)
	for range 100 {
		s.post()
	}
	app.Await(t, "200 events", func() bool { return app.Events() == 200 })
	const most = 50 + 10
	all := app.Arrivals()
	for i := most; i < len(all); i++ {
		// What was late on its way may come close to what follows.
		if within := all[i].At.Sub(all[i-most].At); within < 900*time.Millisecond {
			t.Errorf("%d attempts came within %v", most+1, within)
		}
	}
	if list := s.routesList(); !strings.Contains(list, "rate 50/s") {
		t.Errorf("routes list:\n%s", list)
	}
	s.Stop(t)
}
