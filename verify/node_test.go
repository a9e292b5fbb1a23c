package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// question and answer are the lines of testdata/spec.js.
type question struct {
	Op        string `json:"op"`
	Body      []byte `json:"body"` // base64
	Text      bool   `json:"text"`
	Secret    string `json:"secret"`
	Signature string `json:"signature,omitempty"`
}

type answer struct {
	Signature string `json:"signature"`
	OK        bool   `json:"ok"`
	Error     string `json:"error"`
}

// askNode runs the platform's own function over the questions.
func askNode(t *testing.T, questions []question) []answer {
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
	for _, q := range questions {
		if err := enc.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "testdata/spec.js")
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running node: %v\n%s", err, &stderr)
	}
	var answers []answer
	dec := json.NewDecoder(bytes.NewReader(out))
	for dec.More() {
		var a answer
		if err := dec.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

type signedCase struct {
	name, secret string
	body         []byte
	text         bool // valid UTF-8, also given to Node as a string
}

func signedCases() []signedCase {
	binary := make([]byte, 16<<10)
	for i := range binary {
		binary[i] = byte(i*7 + i>>8)
	}
	const unicodeKey = "gehëim-ключ-鍵-🔑"
	bodies := []signedCase{
		{name: "spec's event", body: []byte(`{"id":"evt_1234567890","type":"message.read","created_at":"2025-01-15T10:25:15Z","data":{}}`), text: true},
		{name: "empty", body: []byte{}, text: true},
		{name: "UTF-8", body: []byte(`{"id":"évt","name":"Łukasz 😀 \u0000 ` + "\u2028\ufeff" + `"}`), text: true},
		{name: "indented, CRLF", body: []byte("{\r\n  \"id\": \"evt_1\"\r\n}\r\n"), text: true},
		{name: "16 KiB of text", body: []byte(strings.Repeat("détail, ", 16<<10/9)), text: true},
		{name: "16 KiB binary", body: binary},
		{name: "invalid UTF-8", body: []byte{'{', 0xff, 0xfe, 0x80, 0, '}'}},
		{name: "one block less one", body: bytes.Repeat([]byte("x"), 63), text: true},
		{name: "one block", body: bytes.Repeat([]byte("x"), 64), text: true},
	}
	var cases []signedCase
	for _, secret := range []string{testKey, unicodeKey, strings.Repeat("long ", 30) + "."} {
		for _, c := range bodies {
			c.secret = secret
			cases = append(cases, c)
		}
	}
	return cases
}

func TestNodeSignsWeVerify(t *testing.T) {
	t.Parallel()
	var questions []question
	for _, c := range signedCases() {
		questions = append(questions, question{Op: "sign", Body: c.body, Text: c.text, Secret: c.secret})
	}
	for i, a := range askNode(t, questions) {
		q, name := questions[i], signedCases()[i].name
		v := mustNew(t, Key(q.Secret))
		for _, value := range []string{a.Signature, prefix + a.Signature} {
			if _, err := v.Verify(q.Body, value); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := Sign([]byte(q.Secret), q.Body); got != prefix+a.Signature {
			t.Errorf("%s: Sign gave %s, Node %s", name, got, a.Signature)
		}
	}
}

func TestWeSignNodeVerifies(t *testing.T) {
	t.Parallel()
	var questions []question
	var names []string
	var want []bool
	ask := func(name string, ok bool, q question) {
		q.Op = "verify"
		questions, names, want = append(questions, q), append(names, name), append(want, ok)
	}
	for _, c := range signedCases() {
		signed := Sign([]byte(c.secret), c.body)
		q := question{Body: c.body, Secret: c.secret, Signature: signed}
		ask(c.name+" as a Buffer", true, q)
		if c.text {
			q.Text = true
			ask(c.name+" as a string", true, q)
		}
		q.Signature = strings.TrimPrefix(signed, prefix)
		ask(c.name+" without prefix", true, q)
		q.Signature = Sign([]byte(otherKey), c.body)
		ask(c.name+" by another secret", false, q)
		q.Signature, q.Body = signed, append([]byte("x"), c.body...)
		ask(c.name+" of another body", false, q)
	}
	for i, a := range askNode(t, questions) {
		if a.OK != want[i] {
			t.Errorf("%s: Node says %v (%s), want %v", names[i], a.OK, a.Error, want[i])
		}
	}
}

// TestNoLaxerThanNode: whatever single value we accept, the app's own check
// behind us accepts too, but for the case of the prefix: "SHA256=" says no less
// than "sha256=". The other way round does not hold, and must not.
func TestNoLaxerThanNode(t *testing.T) {
	t.Parallel()
	good := Sign([]byte(testKey), testBody)
	digits := good[len(prefix):]
	values := []string{
		good, digits, strings.ToUpper(digits), prefix + strings.ToUpper(digits), digits + prefix, digits[:32] + prefix + digits[32:],
		good + "zz", good + " ", " " + good, good + "0", good[:len(good)-1], prefix + good, "SHA256=" + digits, "", prefix, strings.Repeat("0", 64),
	}
	var questions []question
	for _, s := range values {
		questions = append(questions, question{Op: "verify", Body: testBody, Text: true, Secret: testKey, Signature: s})
	}
	v := mustNew(t, Key(testKey))
	accepted, stricter, lax := 0, 0, 0
	for i, a := range askNode(t, questions) {
		// HTTP servers strip blanks around a value before any app sees it.
		if strings.TrimSpace(values[i]) != values[i] {
			continue
		}
		_, err := v.Verify(testBody, values[i])
		switch {
		case err == nil && !a.OK && strings.HasPrefix(values[i], strings.ToUpper(prefix)):
			lax++
		case err == nil && !a.OK:
			t.Errorf("%q: accepted, though Node refuses it (%s)", values[i], a.Error)
		case err == nil:
			accepted++
		case a.OK:
			stricter++
		}
	}
	if accepted != 4 || stricter == 0 || lax != 1 {
		t.Errorf("accepted %d values, %d more for their prefix alone, and refused %d that Node takes; want 4, 1 and some", accepted, lax, stricter)
	}
}
