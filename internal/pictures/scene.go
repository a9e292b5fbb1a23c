package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/internal/control"
	"github.com/inboxgate/inboxgate/internal/env"
)

// scene is a demonstration that stays up.
type scene struct {
	cmd             *exec.Cmd
	dashboard, desk string // addresses, ending in a slash
	operator        *control.Client
	rest            chan struct{} // closed once the demonstration says no more
}

// configuration is the last that the demonstration says before it stays up; a long path
// stands on a line of its own.
var configuration = regexp.MustCompile(`(?m)^The configuration:\s+(\S+)\s*$`)

// openScene runs the demonstration until it has told where its pages are.
func openScene(ctx context.Context, program, dir string) (*scene, error) {
	s := &scene{cmd: exec.CommandContext(ctx, program, "demo"), rest: make(chan struct{})}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = 10 * time.Second
	s.cmd.Env = append(os.Environ(), "TMPDIR="+dir, "XDG_RUNTIME_DIR="+dir, "TZ=UTC")
	s.cmd.Stderr = os.Stderr
	said, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting the demonstration: %w", err)
	}
	lines := bufio.NewScanner(said)
	var text strings.Builder
	for !configuration.MatchString(text.String()) && lines.Scan() {
		text.WriteString(lines.Text() + "\n")
	}
	go func() {
		defer close(s.rest)
		_, _ = io.Copy(io.Discard, said)
	}()
	if err := s.read(text.String()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// read takes the addresses out of what the demonstration says.
func (s *scene) read(text string) error {
	file := ""
	for pattern, into := range map[*regexp.Regexp]*string{
		regexp.MustCompile(`(?m)^  Dashboard +(http://\S+/)`): &s.dashboard,
		regexp.MustCompile(`(?m)^  Desk +(http://\S+/)`):      &s.desk,
		configuration: &file,
	} {
		found := pattern.FindStringSubmatch(text)
		if found == nil {
			return fmt.Errorf("reading the demonstration: it does not say %s, but\n%s", pattern, text)
		}
		*into = found[1]
	}
	var err error
	s.operator, err = control.NewClient("unix/"+filepath.Join(filepath.Dir(file), env.AdminSocket), "")
	return err
}

// close ends the demonstration as Ctrl-C does.
func (s *scene) close() error {
	err := s.cmd.Process.Signal(os.Interrupt)
	<-s.rest
	return errors.Join(err, s.cmd.Wait())
}

// arrange brings about what the pictures show: dead letters of two kinds, an odd body or
// two, and an app that is down with a storm behind it.
func (s *scene) arrange(ctx context.Context) error {
	steps := []struct {
		form  string
		value url.Values
		route string // to wait for
		ready func(control.Route) bool
	}{
		{"switch", url.Values{"app": {"on-call"}, "mode": {"410"}}, "", nil},
		{"send", url.Values{"wave": {"twice"}}, "on-call", func(r control.Route) bool { return r.Dead > 0 && r.Waiting+r.Running == 0 }},
		{"switch", url.Values{"app": {"on-call"}, "mode": {"up"}}, "", nil},
		{"switch", url.Values{"app": {"app"}, "mode": {"500"}}, "", nil},
		{"send", url.Values{"wave": {"one"}}, "app", func(r control.Route) bool { return r.Dead == 1 }},
		{"switch", url.Values{"app": {"app"}, "mode": {"up"}}, "", nil},
		{"send", url.Values{"wave": {"odd"}}, "", nil},
		{"send", url.Values{"wave": {"forged"}}, "app", func(r control.Route) bool { return r.Waiting+r.Running == 0 }},
		{"switch", url.Values{"app": {"app"}, "mode": {"down"}}, "", nil},
		{"send", url.Values{"wave": {"storm"}}, "app", func(r control.Route) bool { return r.Hold != nil && r.Waiting >= 500 }},
	}
	for _, step := range steps {
		if err := s.press(ctx, step.form, step.value); err != nil {
			return fmt.Errorf("arranging %s %v: %w", step.form, step.value, err)
		}
		if step.ready == nil {
			continue
		}
		if err := s.await(ctx, step.route, step.ready); err != nil {
			return fmt.Errorf("waiting after %s %v: %w", step.form, step.value, err)
		}
	}
	return nil
}

// press uses a form of the desk.
func (s *scene) press(ctx context.Context, form string, value url.Values) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.desk+form, strings.NewReader(value.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", strings.TrimSuffix(s.desk, "/"))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// await asks for a route until it is ready.
func (s *scene) await(ctx context.Context, name string, ready func(control.Route) bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		routes, err := s.operator.Routes(ctx)
		if err != nil {
			return err
		}
		for _, r := range routes {
			if r.Route == name && ready(r) {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
