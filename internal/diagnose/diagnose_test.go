package diagnose

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // To be recognised.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/inboxgate/inboxgate/verify"
)

const (
	ourSecret   = "whsec-0123456789abcdef"
	otherSecret = "another-secret-entirely"
	spacedBody  = `{"id": "evt_1", "type": "message.failed", "data": {"to": "+15551234567", "text": "1 < 2 & caf\u00e9", "url": "a/b"}}`
)

// signedWith is the platform's signature, made without package verify.
func signedWith(h func() hash.Hash, key, body string) string {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

func sha256Of(key, body string) string { return "sha256=" + signedWith(sha256.New, key, body) }

func compact(t *testing.T, doc string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(doc)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// goMarshal is what a Go program makes of a body that it decodes and encodes.
func goMarshal(t *testing.T, doc string, escapeHTML bool) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(escapeHTML)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func indented(t *testing.T, doc, by string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(doc), "", by); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

type mismatch struct {
	name      string
	body      string
	signature string
	secrets   []string
	says      []string
}

func (m mismatch) check(t *testing.T) {
	t.Helper()
	if m.secrets == nil {
		m.secrets = []string{ourSecret}
	}
	keys := make([]verify.Secret, len(m.secrets))
	for i, s := range m.secrets {
		keys[i] = verify.Key(s)
	}
	v, err := verify.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify([]byte(m.body), m.signature); err == nil {
		t.Fatal("the signature is valid, so there is nothing to explain")
	}
	found := Explain([]byte(m.body), m.signature, m.secrets, "inboxgate")
	if len(found) != len(m.says) {
		t.Errorf("found %d causes, want %d: %q", len(found), len(m.says), found)
	}
	for i, f := range found {
		if f.Cause == "" || f.Fix == "" {
			t.Errorf("finding %d lacks a part: %q", i, f)
		}
		if i < len(m.says) && !strings.Contains(f.Cause, m.says[i]) {
			t.Errorf("cause %d is %q, want %q in it", i, f.Cause, m.says[i])
		}
		for _, hidden := range append(m.secrets, "5551234567") {
			if bare := strings.Trim(hidden, "\"' \n"); strings.Contains(f.Cause+f.Fix, bare) {
				t.Errorf("%q gives away %q", f, bare)
			}
		}
	}
}

func TestDiagnoseBody(t *testing.T) {
	t.Parallel()
	lines := "{\n \"id\": \"evt_1\"\n}"
	crlf := strings.ReplaceAll(lines, "\n", "\r\n")
	plain := `{"id":"evt_1","data":{"b":1,"a":"1 < 2 & café 😀","url":"a/b"}}`
	python := strings.NewReplacer(`":`, `": `, `,"`, `, "`, "é", `\u00e9`, "😀", `\ud83d\ude00`).Replace(plain)
	php := strings.NewReplacer("/", `\/`, "é", `\u00e9`, "😀", `\ud83d\ude00`).Replace(plain)
	for _, m := range []mismatch{
		{name: "newline added", body: plain + "\n", signature: sha256Of(ourSecret, plain), says: []string{"newline at the end that was not signed"}},
		{name: "CRLF added", body: plain + "\r\n", signature: sha256Of(ourSecret, plain), says: []string{"newline at the end that was not signed"}},
		{name: "newline removed", body: plain, signature: sha256Of(ourSecret, plain+"\n"), says: []string{"newline at the end was signed and is missing"}},
		{name: "CRLF removed", body: plain, signature: sha256Of(ourSecret, plain+"\r\n"), says: []string{"CRLF at the end was signed and is missing"}},
		{name: "spaces around", body: "  " + plain + " ", signature: sha256Of(ourSecret, plain), says: []string{"white space around the body"}},
		{name: "CRLF for LF", body: crlf, signature: sha256Of(ourSecret, lines), says: []string{"end in CRLF and were signed with LF"}},
		{name: "LF for CRLF", body: lines, signature: sha256Of(ourSecret, crlf), says: []string{"end in LF and were signed with CRLF"}},
		{name: "curl -d", body: lines, signature: sha256Of(ourSecret, strings.ReplaceAll(lines, "\n", "")), says: []string{"without its line breaks"}},
		{name: "byte order mark added", body: "\ufeff" + plain, signature: sha256Of(ourSecret, plain), says: []string{"begins with a byte order mark"}},
		{name: "byte order mark removed", body: plain, signature: sha256Of(ourSecret, "\ufeff"+plain), says: []string{"byte order mark before the body"}},
		{name: "base64 body", body: base64.StdEncoding.EncodeToString([]byte(plain)), signature: sha256Of(ourSecret, plain), says: []string{"in base64 here"}},
		{name: "signed as base64", body: plain, signature: sha256Of(ourSecret, base64.StdEncoding.EncodeToString([]byte(plain))), says: []string{"in base64 when it was signed"}},
		{name: "empty body signed", body: plain, signature: sha256Of(ourSecret, ""), says: []string{"signature of an empty body"}},
		{name: "compact signed", body: spacedBody, signature: sha256Of(ourSecret, compact(t, spacedBody)), says: []string{"same JSON without spaces"}},
		{name: "JSON.stringify", body: spacedBody, signature: sha256Of(ourSecret, strings.ReplaceAll(compact(t, spacedBody), `\u00e9`, "é")), says: []string{"without spaces, nothing escaped"}},
		{name: "indent 2", body: plain, signature: sha256Of(ourSecret, indented(t, plain, "  ")), says: []string{"indented by 2 spaces"}},
		{name: "indent 4", body: plain, signature: sha256Of(ourSecret, indented(t, plain, "    ")), says: []string{"indented by 4 spaces"}},
		{name: "tabs", body: plain, signature: sha256Of(ourSecret, indented(t, plain, "\t")), says: []string{"indented by tabs"}},
		{name: "pretty here", body: indented(t, plain, "  "), signature: sha256Of(ourSecret, plain), says: []string{"same JSON without spaces"}},
		{name: "Go, HTML escaped", body: plain, signature: sha256Of(ourSecret, goMarshal(t, plain, true)), says: []string{"escaped, keys sorted"}},
		{name: "Go, plain", body: plain, signature: sha256Of(ourSecret, goMarshal(t, plain, false)), says: []string{"without spaces, keys sorted"}},
		{name: "Python json.dumps", body: plain, signature: sha256Of(ourSecret, python), says: []string{"space after each colon and comma, everything but ASCII"}},
		{name: "PHP json_encode", body: plain, signature: sha256Of(ourSecret, php), says: []string{"slashes and everything but ASCII escaped"}},
		{name: "encoded twice", body: string(mustJSON(t, plain)), signature: sha256Of(ourSecret, plain), says: []string{"JSON string that holds the JSON"}},
		{name: "another body", body: plain, signature: sha256Of(ourSecret, `{"id":"evt_2"}`), says: []string{"no usual mistake explains it"}},
		{name: "no body", body: "", signature: sha256Of(ourSecret, plain), says: []string{"body is empty"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.check(t)
		})
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDiagnoseSecret(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1"}`
	hexSecret := hex.EncodeToString([]byte(ourSecret))
	b64Secret := base64.StdEncoding.EncodeToString([]byte(ourSecret))
	two := []string{otherSecret, ourSecret}
	for _, m := range []mismatch{
		{name: "newline", signature: sha256Of(ourSecret+"\n", body), says: []string{"with a newline at its end"}},
		{name: "CRLF", signature: sha256Of(ourSecret+"\r\n", body), says: []string{"with a CRLF at its end"}},
		{name: "space", signature: sha256Of(ourSecret+" ", body), says: []string{"with a space at its end"}},
		{name: "in double quotes there", signature: sha256Of(`"`+ourSecret+`"`, body), says: []string{"in double quotes"}},
		{name: "in single quotes there", signature: sha256Of("'"+ourSecret+"'", body), says: []string{"in single quotes"}},
		{name: "in quotes here", signature: sha256Of(ourSecret, body), secrets: []string{`"` + ourSecret + `"`}, says: []string{"stands in quotes here"}},
		{name: "white space here", signature: sha256Of(ourSecret, body), secrets: []string{ourSecret + " "}, says: []string{"has white space around it here"}},
		{name: "variable's name here", signature: sha256Of(ourSecret, body), secrets: []string{verify.EnvSecret + "=" + ourSecret}, says: []string{"name of its variable"}},
		{name: "from hex", signature: sha256Of(ourSecret, body), secrets: []string{hexSecret}, says: []string{"decoded from hex"}},
		{name: "from base64", signature: sha256Of(ourSecret, body), secrets: []string{b64Secret}, says: []string{"decoded from base64"}},
		{name: "from whsec_ base64", signature: sha256Of(ourSecret, body), secrets: []string{"whsec_" + b64Secret}, says: []string{"decoded from base64"}},
		{name: "with whsec_", signature: sha256Of("whsec_"+ourSecret, body), says: []string{"with whsec_ before it"}},
		{name: "in upper case", signature: sha256Of(strings.ToUpper(hexSecret), body), secrets: []string{hexSecret}, says: []string{"in upper case"}},
		{name: "without whsec_", signature: sha256Of(b64Secret, body), secrets: []string{"whsec_" + b64Secret}, says: []string{"without its whsec_"}},
		{name: "to hex", signature: sha256Of(hexSecret, body), says: []string{"encoded to hex"}},
		{name: "to base64", signature: sha256Of(b64Secret, body), says: []string{"encoded to base64"}},
		{name: "the second", signature: sha256Of(ourSecret+"\n", body), secrets: two, says: []string{"secret 2 was used with a newline"}},
		{name: "not split", signature: sha256Of(otherSecret+","+ourSecret, body), secrets: two, says: []string{"used as one, with the comma"}},
		{name: "another", signature: sha256Of("a-secret-of-somebody", body), says: []string{"no usual mistake"}},
		{name: "another of two", signature: sha256Of("a-secret-of-somebody", body), secrets: two, says: []string{"the 2 secrets and the sender's"}},
		{name: "newline at both", signature: sha256Of(ourSecret+"\n", body+"\n"), says: []string{"newline at the end was signed", "the secret was used with a newline"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.body = body
			m.check(t)
		})
	}
}

func TestDiagnoseSignature(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1"}`
	digits := signedWith(sha256.New, ourSecret, body)
	raw, _ := hex.DecodeString(digits)
	plain := sha256.Sum256([]byte(body))
	groups := strings.Join([]string{digits[:16], digits[16:32], digits[32:48], digits[48:]}, ":")
	for _, m := range []mismatch{
		{name: "colon", signature: "sha256:" + digits, says: []string{`begins with "sha256:"`}},
		{name: "v1", signature: "v1=" + digits, says: []string{`begins with "v1="`}},
		{name: "prefix twice", signature: "sha256=sha256=" + digits, says: []string{"stands twice"}},
		{name: "header's name", signature: verify.Header + ": sha256=" + digits, says: []string{"header's name"}},
		{name: "quotes", signature: `"sha256=` + digits + `"`, says: []string{"in quotes"}},
		{name: "groups", signature: groups, says: []string{"spaces or colons"}},
		{name: "base64", signature: "sha256=" + base64.StdEncoding.EncodeToString(raw), says: []string{"in base64"}},
		{name: "base64url", signature: base64.RawURLEncoding.EncodeToString(raw), says: []string{"in base64"}},
		{name: "cut", signature: "sha256=" + digits[:63], says: []string{"63 hex digits and must have 64: it is cut"}},
		{name: "cut by two", signature: "sha256=" + digits[:62], says: []string{"62 hex digits and must have 64: it is cut"}},
		{name: "too long", signature: digits + "00", says: []string{"66 hex digits and must have 64"}},
		{name: "odd character", signature: "sha256=" + digits[:10] + "~" + digits[11:], says: []string{"character 11"}},
		{name: "empty", signature: " ", says: []string{"nothing in the signature"}},
		{name: "too many", signature: strings.Repeat(digits+",", 9), says: []string{"more than 8"}},
		{name: "SHA-1", signature: "sha1=" + signedWith(sha1.New, ourSecret, body), says: []string{`begins with "sha1="`, "HMAC with SHA-1"}},
		{name: "SHA-512", signature: signedWith(sha512.New, ourSecret, body), says: []string{"HMAC with SHA-512"}},
		{name: "SHA-384", signature: "sha384=" + signedWith(sha512.New384, ourSecret, body), says: []string{`begins with "sha384="`, "HMAC with SHA-384"}},
		{name: "SHA-1 of something else", signature: "sha1=" + signedWith(sha1.New, otherSecret, body), says: []string{`begins with "sha1="`, "40 hex digits"}},
		{name: "no secret", signature: hex.EncodeToString(plain[:]), says: []string{"plain SHA-256"}},
		{name: "form and body", signature: "SHA256=" + signedWith(sha256.New, ourSecret, body+"\n"), says: []string{"newline at the end"}},
		{name: "algorithm, body and secret", signature: signedWith(sha512.New, ourSecret+"\n", body+"\n"), says: []string{"SHA-512", "newline at the end was signed", "used with a newline"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.body = body
			m.check(t)
		})
	}
}

// An explanation has to come for whatever a user pastes.
func TestDiagnoseAnything(t *testing.T) {
	t.Parallel()
	v, err := verify.New(verify.Key(ourSecret))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Map(rapid.StringMatching(`[{}\[\]",:a-z0-9\\/ \n]{0,40}`), func(s string) []byte { return []byte(s) }),
			rapid.Just([]byte(spacedBody)),
		).Draw(t, "body")
		signature := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`([a-zA-Z0-9-]{0,8}[=:]){0,2}["' ]?[0-9a-fA-F:+/_ -]{0,130}[=,"]{0,9}`),
		).Draw(t, "signature")
		if _, err := v.Verify(body, signature); err == nil {
			t.Skip("valid")
		}
		if len(Explain(body, signature, []string{ourSecret}, "inboxgate")) == 0 {
			t.Errorf("nothing found")
		}
	})
}
