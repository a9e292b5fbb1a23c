package event

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// nodeEvent is what Node's JSON.parse makes of a body.
type nodeEvent struct {
	OK        bool   `json:"ok"`
	ID        any    `json:"id"`
	Type      any    `json:"type"`
	CreatedAt any    `json:"created_at"`
	MS        int64  `json:"ms"`
	Error     string `json:"error"`
}

func askNode(t *testing.T, bodies [][]byte) []nodeEvent {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" || strings.Contains(os.Getenv("INBOXGATE_REQUIRE"), "node") {
			t.Fatalf("needs node: %v", err)
		}
		t.Skipf("needs node: %v", err)
	}
	var in, stderr bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, body := range bodies {
		if err := enc.Encode(map[string][]byte{"body": body}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "testdata/parse.js")
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running node: %v\n%s", err, &stderr)
	}
	var answers []nodeEvent
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var a nodeEvent
		if err := dec.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(bodies) {
		t.Fatalf("%d answers to %d bodies", len(answers), len(bodies))
	}
	return answers
}

// TestNodeSeesTheSame: of each body we accept, the app behind us reads the
// same id, type and created_at. The corpus is asked as it is, and with bytes
// changed, dropped and doubled.
func TestNodeSeesTheSame(t *testing.T) {
	t.Parallel()
	var bodies [][]byte
	var events []Event
	take := func(body []byte) {
		if ev, err := Parse(body); err == nil {
			bodies, events = append(bodies, body), append(events, ev)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	var seeds [][]byte
	for _, typ := range Types() {
		seeds = append(seeds, documented(t)[typ])
	}
	for _, tt := range corpus {
		seeds = append(seeds, []byte(tt.body))
	}
	for _, seed := range seeds {
		take(seed)
		if len(seed) > 1<<10 {
			continue
		}
		for range 200 {
			take(mutate(random, seed))
		}
	}
	for i, a := range askNode(t, bodies) {
		ev, body := events[i], bodies[i]
		if !a.OK || a.ID != ev.ID || a.Type != ev.Type {
			t.Errorf("%q: Node reads %+v, we %q and %q", body, a, ev.ID, ev.Type)
		}
		if text, _ := a.CreatedAt.(string); strings.Contains(text, ":60") {
			continue // To Node a leap second is no time.
		}
		if (a.CreatedAt == nil) != ev.CreatedAt.IsZero() || !ev.CreatedAt.IsZero() && a.MS != ev.CreatedAt.UnixMilli() {
			t.Errorf("%q: Node reads %v (%d ms), we %s", body, a.CreatedAt, a.MS, ev.CreatedAt)
		}
	}
	if len(bodies) < 1000 {
		t.Errorf("only %d bodies were compared", len(bodies))
	}
}

// mutate makes one to three small changes.
func mutate(random *rand.Rand, seed []byte) []byte {
	const pieces = `"\{}[]:,.u09aeE+- idtypecra_`
	body := bytes.Clone(seed)
	for range 1 + random.IntN(3) {
		if len(body) == 0 {
			return body
		}
		at := random.IntN(len(body))
		piece := pieces[random.IntN(len(pieces))]
		switch random.IntN(4) {
		case 0:
			body[at] = piece
		case 1:
			body = append(body[:at], body[at+1:]...)
		case 2:
			body = append(body[:at:at], append([]byte{piece}, body[at:]...)...)
		case 3:
			end := at + random.IntN(min(20, len(body)-at)+1)
			body = append(body[:end:end], body[at:]...)
		}
	}
	return body
}
