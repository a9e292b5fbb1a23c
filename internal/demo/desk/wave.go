package desk

import "github.com/inboxgate/inboxgate/internal/platform/emulator"

// Wave is something that the platform can be made to send.
type Wave struct {
	Name   string // in a form
	Key    byte   // of a terminal
	Legend string // shows the key in the shortest name that has it
	Label  string // what a button says
	Says   string // what is on its way, as a sentence without its end
	// Request says what to send, to which webhook is left open.
	Request emulator.SendRequest
}

// stormSize is how many events a storm has.
const stormSize = 500

// Waves returns all that can be sent, in one order.
func Waves() []Wave {
	return []Wave{
		{"one", '1', "[1]", "One event", "One event of some type is on its way", emulator.SendRequest{Count: 1}},
		{"storm", 'm', "[m]any", "A storm of 500", "A storm of 500 events is on its way", emulator.SendRequest{Count: stormSize}},
		{"forged", 'f', "[f]ake", "10 forgeries", "10 forgeries are on their way beside 5 real events; they get 401", emulator.SendRequest{Count: 5, WrongSecret: 1, BadSignature: 1}},
		{"twice", '2', "[2]x", "20 events, each twice", "20 events are on their way, each of them twice; the copies get 200 duplicate", emulator.SendRequest{Count: 20, Duplicates: 1}},
		{"odd", 'o', "[o]dd", "12 odd bodies", "12 signed events with odd bodies are on their way; what is no event goes to quarantine", emulator.SendRequest{Count: 12, Odd: 1}},
	}
}

// waveOf returns the wave of a name.
func waveOf(name string) (Wave, bool) {
	for _, w := range Waves() {
		if w.Name == name {
			return w, true
		}
	}
	return Wave{}, false
}
