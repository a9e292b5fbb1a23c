package desk

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// Each wave sends what it says.
func TestWaves(t *testing.T) {
	t.Parallel()
	for _, w := range Waves() {
		t.Run(w.Name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			said, err := d.Send(w.Name)
			if err != nil || !strings.Contains(said, "on its way") && !strings.Contains(said, "on their way") {
				t.Fatalf("%q, %v", said, err)
			}
			c, s := d.settled(t), d.Apps[0].State()
			want := map[string]struct{ events, twins, forged int }{
				"one": {1, 0, 0}, "storm": {500, 0, 0}, "forged": {5, 0, 10}, "twice": {20, 20, 0}, "odd": {12, 0, 0},
			}[w.Name]
			if c.Events != want.events || c.Duplicates != want.twins || c.Forgeries != want.forged || c.ForgeriesTaken != 0 {
				t.Errorf("the platform sent %+v", c)
			}
			if s.Answers[200] != want.events+want.twins || s.Answers[401] != want.forged {
				t.Errorf("the app answered %v", s.Answers)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, try := range []func() (string, error){
		func() (string, error) { return d.Switch("app", "sideways") },
		func() (string, error) { return d.Switch("crm", Down) },
		func() (string, error) { return d.Send("flood") },
	} {
		if said, err := try(); err == nil || said != "" {
			t.Errorf("it says %q, %v", said, err)
		}
	}
	if d.Apps[0].Mode() != Up {
		t.Errorf("the app is %s", d.Apps[0].Mode())
	}
}

// Every switch and wave has a key of its own, which its legend shows.
func TestKeysAreDistinct(t *testing.T) {
	t.Parallel()
	used := map[byte]string{'a': "other app", 'q': "end", '?': "help", 'h': "help", '\t': "other app", 3: "end"}
	check := func(key byte, legend, name string) {
		if was, taken := used[key]; taken {
			t.Errorf("key %c is %s's and %s's", key, was, name)
		}
		used[key] = name
		if !strings.Contains(legend, fmt.Sprintf("[%c]", key)) {
			t.Errorf("the legend of %c is %s", key, legend)
		}
	}
	for _, s := range Switches() {
		check(s.Key, s.Legend, string(s.Mode))
	}
	for _, w := range Waves() {
		check(w.Key, w.Legend, w.Name)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	d := open(t)
	var said []string
	k := &Keys{Desk: d, Say: func(s string) { said = append(said, s) }}
	if k.Read(strings.NewReader("d\nz")) {
		t.Error("it ends by a key that is none")
	}
	if d.Apps[0].Mode() != Down || len(said) != 1 || !strings.HasPrefix(said[0], "app is down: its port is closed.") {
		t.Errorf("%s, %q", d.Apps[0].Mode(), said)
	}
	if k.Read(strings.NewReader("u1a5?")) {
		t.Error("it ends by a key that is none")
	}
	if d.Apps[0].Mode() != Up || d.Apps[1].Mode() != Fails {
		t.Errorf("the apps are %s and %s", d.Apps[0].Mode(), d.Apps[1].Mode())
	}
	if c := d.settled(t); c.Events != 1 {
		t.Errorf("sent %+v", c)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{
		"app answers 200.", "One event of some type is on its way.", "on-call: [u]p [d]own", "on-call answers 500. ",
		"\n  d  on-call is down", "\n  m  send: A storm of 500", "\n  q  end",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for range d.Apps {
		if n := utf8.RuneCountInString(k.Legend()); n > 80 {
			t.Errorf("%d columns: %s", n, k.Legend())
		}
		k.press('a')
	}
	for _, end := range []string{"q", "uq1", "\x03"} {
		if !k.Read(io.MultiReader(strings.NewReader(end), never{t})) {
			t.Errorf("%q does not end it", end)
		}
	}
	if d.Platform.Close() != nil {
		t.Error("not closed")
	}
	said = nil
	k.press('1')
	if len(said) != 1 || !strings.Contains(said[0], "That did not work: sending: the emulator is closed") {
		t.Errorf("of an error it says %q", said)
	}
}

// never is a reader that nobody may read.
type never struct{ *testing.T }

func (n never) Read([]byte) (int, error) {
	n.Error("it reads on")
	return 0, io.EOF
}
