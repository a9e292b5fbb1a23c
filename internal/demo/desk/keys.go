package desk

import (
	"io"
	"strings"
)

// Keys is the desk as it is used from a terminal, key by key.
type Keys struct {
	Desk *Desk
	// Say prints a line.
	Say func(string)

	app int // the app that the next switch is meant for
}

// Legend returns the keys in one line of a usual terminal.
func (k *Keys) Legend() string {
	var b strings.Builder
	b.WriteString(k.name() + ":")
	for _, s := range Switches() {
		b.WriteString(" " + s.Legend)
	}
	b.WriteString(" |")
	for _, w := range Waves() {
		b.WriteString(" " + w.Legend)
	}
	b.WriteString(" ?")
	return b.String()
}

// Read acts on the keys of r until it ends or one says so: then it reports true. Other
// letters do nothing.
func (k *Keys) Read(r io.Reader) (quit bool) {
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 {
			if b[0] == 'q' || b[0] == 3 { // Ctrl-C, where the terminal passes it on.
				return true
			}
			k.press(b[0])
		}
		if err != nil {
			return false
		}
	}
}

// press does what a key stands for.
func (k *Keys) press(key byte) {
	switch {
	case key == 'a', key == '\t':
		k.app = (k.app + 1) % len(k.Desk.Apps)
		k.Say(k.Legend())
		return
	case key == '?', key == 'h':
		k.help()
		return
	}
	for _, s := range Switches() {
		if s.Key == key {
			k.told(k.Desk.Switch(k.name(), s.Mode))
		}
	}
	for _, w := range Waves() {
		if w.Key == key {
			k.told(k.Desk.Send(w.Name))
		}
	}
}

func (k *Keys) name() string { return k.Desk.Apps[k.app].Name }

func (k *Keys) told(said string, err error) {
	if err != nil {
		said = "That did not work: " + err.Error()
	}
	k.Say(said)
}

// help prints what each key does.
func (k *Keys) help() {
	for _, s := range Switches() {
		k.Say("  " + string(s.Key) + "  " + k.name() + " " + s.Does)
	}
	for _, w := range Waves() {
		k.Say("  " + string(w.Key) + "  send: " + w.Label)
	}
	k.Say("  a  the switches are for the other app")
	k.Say("  q  end, as Ctrl-C does")
}
