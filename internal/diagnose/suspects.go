package diagnose

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/inboxgate/inboxgate/verify"
)

const (
	fixRaw     = "take the bytes as they came, before any parser, editor or shell has touched them (express.raw in Express)"
	fixNewline = "save and sign the body without changing it: printf '%s' rather than echo, curl --data-binary @file rather than -d"
)

// bodySuspects returns the bodies that may have been signed instead of this one, itself
// first.
func bodySuspects(body []byte) []suspect {
	all := oneChange(body)
	if len(body) > maxTwice {
		return all
	}
	for _, first := range all[1:] {
		if len(first.value) == 0 {
			continue
		}
		for _, second := range endings(first.value) {
			second.Cause = first.Cause + "; and " + second.Cause
			if second.Fix != first.Fix {
				second.Fix = first.Fix + "; and " + second.Fix
			}
			second.twice = true
			all = append(all, second)
		}
	}
	return all
}

// maxTwice is up to which size a body is tried with two changes.
const maxTwice = 64 << 10

// endings returns bodies that differ at their ends, which happens beside any other
// mistake.
func endings(body []byte) (all []suspect) {
	add := func(value []byte, cause, fix string) {
		all = append(all, suspect{Finding: Finding{cause, fix}, value: value})
	}
	add(append(bytes.Clone(body), '\n'), "a newline at the end was signed and is missing here", fixNewline)
	add(append(bytes.Clone(body), "\r\n"...), "a CRLF at the end was signed and is missing here", fixNewline)
	if cut := bytes.TrimRight(body, "\r\n"); len(cut) != len(body) {
		add(cut, "there is a newline at the end that was not signed", fixNewline)
	}
	if cut := bytes.TrimSpace(body); len(cut) != len(body) {
		add(cut, "there is white space around the body that was not signed", fixNewline)
	}
	return all
}

// oneChange returns the body itself, and then bodies that differ by one mistake.
func oneChange(body []byte) []suspect {
	all := []suspect{{value: body}}
	add := func(value []byte, cause, fix string) {
		all = append(all, suspect{Finding: Finding{cause, fix}, value: value})
	}
	all = append(all, endings(body)...)
	lf := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	if len(lf) != len(body) {
		add(lf, "the lines end in CRLF and were signed with LF", fixRaw)
	}
	if bytes.Contains(body, []byte("\n")) {
		add(bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")), "the lines end in LF and were signed with CRLF", fixRaw)
		add(bytes.ReplaceAll(lf, []byte("\n"), nil), "the body was signed without its line breaks", fixNewline)
	}
	bom := []byte("\xef\xbb\xbf")
	if cut, ok := bytes.CutPrefix(body, bom); ok {
		add(cut, "the body begins with a byte order mark that was not signed", fixRaw)
	} else {
		add(append(bom, body...), "a byte order mark before the body was signed and is missing here", fixRaw)
	}
	if plain, ok := decodeBase64(string(bytes.TrimSpace(body))); ok {
		add(plain, "the body is in base64 here and was signed without", "decode it first; gateways that hand over isBase64Encoded bodies do this")
	}
	add([]byte(base64.StdEncoding.EncodeToString(body)), "the body was in base64 when it was signed", fixRaw)
	if len(body) > 0 {
		add(nil, "it is the signature of an empty body: whoever signed it had no body to sign, often because it was read before", "sign the raw body, and read it only once")
	}
	return append(all, jsonSuspects(body)...)
}

// jsonSuspects returns the same JSON as other programs would write it.
func jsonSuspects(body []byte) []suspect {
	doc := jsontext.Value(bytes.TrimSpace(body))
	if len(doc) == 0 || len(doc) > maxReserialised || !doc.IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil
	}
	all := jsonForms(doc)
	var inner string
	if doc.Kind() == '"' && json.Unmarshal(doc, &inner) == nil {
		all = append(all, suspect{Finding: Finding{"the body is a JSON string that holds the JSON that was signed", "do not encode the body a second time"}, value: []byte(inner)})
	}
	return all
}

// jsonForms returns a document in each combination of spacing, escaping and order.
func jsonForms(doc jsontext.Value) []suspect {
	spacings := []struct {
		name string
		opts []jsontext.Options
	}{
		{"without spaces", []jsontext.Options{jsontext.Multiline(false), jsontext.SpaceAfterColon(false), jsontext.SpaceAfterComma(false)}},
		{"with a space after each colon and comma", []jsontext.Options{jsontext.Multiline(false), jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)}},
		{"indented by 2 spaces", []jsontext.Options{jsontext.WithIndent("  ")}},
		{"indented by 4 spaces", []jsontext.Options{jsontext.WithIndent("    ")}},
		{"indented by tabs", []jsontext.Options{jsontext.WithIndent("\t")}},
	}
	escapings := []struct {
		name  string
		opts  []jsontext.Options
		after func([]byte) []byte
	}{
		{"", []jsontext.Options{jsontext.PreserveRawStrings(true)}, nil},
		{", nothing escaped without need", nil, nil},
		{", <, > and & escaped", []jsontext.Options{jsontext.EscapeForHTML(true), jsontext.EscapeForJS(true)}, nil},
		{", everything but ASCII escaped", nil, escapeNonASCII},
		{", slashes escaped", nil, escapeSlashes},
		{", slashes and everything but ASCII escaped", nil, func(b []byte) []byte { return escapeNonASCII(escapeSlashes(b)) }},
	}
	var all []suspect
	for _, sorted := range []bool{false, true} {
		for _, s := range spacings {
			for _, e := range escapings {
				v := doc.Clone()
				opts := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.ReorderRawObjects(sorted)}
				if v.Format(append(append(opts, s.opts...), e.opts...)...) != nil {
					continue
				}
				signed := []byte(v)
				if e.after != nil {
					signed = e.after(signed)
				}
				how := s.name + e.name
				if sorted {
					how += ", keys sorted"
				}
				all = append(all, suspect{Finding: Finding{"a JSON parser has written the body anew: the signature is that of the same JSON " + how, fixRaw}, value: signed})
			}
		}
	}
	return all
}

// escapeNonASCII returns JSON with all other characters escaped; only its strings can
// hold any.
func escapeNonASCII(b []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(b) {
		switch {
		case r < 0x80:
			out.WriteByte(byte(r))
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		}
	}
	return out.Bytes()
}

// escapeSlashes returns JSON with its slashes escaped, as PHP does.
func escapeSlashes(b []byte) []byte { return bytes.ReplaceAll(b, []byte("/"), []byte(`\/`)) }

// secretSuspects returns the secrets that may have been used: first those given, then
// what a copy of them often turns into.
func secretSuspects(secrets []string) []suspect {
	var all []suspect
	for _, s := range secrets {
		all = append(all, suspect{value: []byte(s)})
	}
	for i, s := range secrets {
		name := "the secret"
		if len(secrets) > 1 {
			name = fmt.Sprintf("secret %d", i+1)
		}
		add := func(value []byte, cause, fix string) {
			all = append(all, suspect{Finding: Finding{name + " " + cause, fix}, value: value})
		}
		for _, end := range []struct{ text, name string }{{"\n", "a newline"}, {"\r\n", "a CRLF"}, {"\r", "a carriage return"}, {" ", "a space"}} {
			add([]byte(s+end.text), "was used with "+end.name+" at its end", "the sender must sign with the secret alone; make its file with printf, not echo")
		}
		add([]byte(`"`+s+`"`), "was used in double quotes", "the sender must sign with the secret alone")
		add([]byte("'"+s+"'"), "was used in single quotes", "the sender must sign with the secret alone")
		if bare := strings.TrimSpace(s); bare != s {
			add([]byte(bare), "has white space around it here", "remove the white space from it")
		}
		if bare := strings.Trim(strings.TrimSpace(s), "\"'`"); bare != strings.TrimSpace(s) {
			add([]byte(bare), "stands in quotes here", "remove the quotes; env files and YAML lists often keep them")
		}
		if _, value, ok := strings.Cut(s, verify.EnvSecret+"="); ok {
			add([]byte(strings.Trim(value, `"'`)), "has the name of its variable before it here", "put only the value there")
		}
		addDecoded(add, s)
	}
	if len(secrets) > 1 {
		all = append(all, suspect{
			Finding: Finding{"the secrets were used as one, with the comma between them", "if the comma belongs to the secret, end it with a line break and put it into a file for --secret-file"},
			value:   []byte(strings.Join(secrets, ",")),
		})
	}
	return all
}

// addDecoded adds a secret that was decoded or encoded once more or less than ours.
func addDecoded(add func(value []byte, cause, fix string), secret string) {
	const fix = "use the secret's text as it is, on both sides"
	bare := strings.TrimPrefix(secret, "whsec_")
	if b, err := hex.DecodeString(secret); err == nil {
		add(b, "was decoded from hex before it was used", fix)
	}
	if b, ok := decodeBase64(bare); ok {
		add(b, "was decoded from base64 before it was used", fix)
	}
	if bare != secret {
		add([]byte(bare), "was used without its whsec_", fix)
	} else {
		add([]byte("whsec_"+secret), "was used with whsec_ before it", "copy all of the secret, with its whsec_")
	}
	for name, other := range map[string]string{"lower": strings.ToLower(secret), "upper": strings.ToUpper(secret)} {
		if other != secret {
			add([]byte(other), "was used in "+name+" case", fix)
		}
	}
	add([]byte(hex.EncodeToString([]byte(secret))), "was encoded to hex before it was used", fix)
	add([]byte(base64.StdEncoding.EncodeToString([]byte(secret))), "was encoded to base64 before it was used", fix)
}
