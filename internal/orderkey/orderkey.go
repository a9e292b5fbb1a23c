// Package orderkey finds the key by which a route that says `order <member>` delivers
// its events one after another.
//
// Guarantee: the key is that of `data.<member>`: a string as it is, unescaped; a number
// or a boolean as the body writes it. Where that is null, an object, an array or not
// there there is no key, and the event waits for none. The body is scanned and not
// decoded, in a time that grows with its length alone.
//
// Limits: the number 1 and the string "1" are one key, 1 and 1.0 are two. A name that
// stands twice has the value of the last, as for most readers of JSON. A body that is
// no JSON object has no key.
package orderkey

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxMember bounds the name of a member, in bytes.
const maxMember = 256

// Check refuses what is no name of a member of data, and names the fix.
func Check(member string) error {
	bare := strings.TrimPrefix(member, "data.")
	switch {
	case member == "":
		return errors.New("order needs the name of a member of data: write it as order message_id")
	case len(member) > maxMember:
		return fmt.Errorf("order names a member of %d bytes: at most %d are taken", len(member), maxMember)
	case bare != member && bare != "" && !strings.ContainsAny(bare, ".[] \"'`"):
		return fmt.Errorf("order '%s' is a path: it takes the name of a member of data alone, write it as order %s", member, bare)
	case strings.ContainsAny(member, ".[] \t\r\n\"'`{}"):
		return fmt.Errorf("order '%s' is no name: it takes that of one member of data itself, as order message_id", member)
	}
	return nil
}

// lenient is how event.Parse reads: what data holds is a matter of the app.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Of returns the key that a body has by that member, empty for none.
func Of(body []byte, member string) string {
	if member == "" {
		return ""
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), lenient...)
	key := ""
	err := members(dec, func(name string) error {
		if name != "data" {
			return dec.SkipValue()
		}
		key = "" // An earlier data is void.
		if dec.PeekKind() != jsontext.KindBeginObject {
			return dec.SkipValue()
		}
		return members(dec, func(name string) (err error) {
			if name == member {
				key, err = scalar(dec)
				return err
			}
			return dec.SkipValue()
		})
	})
	if err != nil {
		return ""
	}
	return key
}

var errNoObject = errors.New("no object")

// members calls f for each name of the next object; f reads the value.
func members(dec *jsontext.Decoder, f func(name string) error) error {
	begin, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if begin.Kind() != jsontext.KindBeginObject {
		return errNoObject
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := f(name.String()); err != nil {
			return err
		}
	}
	_, err = dec.ReadToken()
	return err
}

// scalar reads a value, and returns its text if it is a string, number or boolean.
func scalar(dec *jsontext.Decoder) (string, error) {
	switch dec.PeekKind() {
	case jsontext.KindString, jsontext.KindNumber, jsontext.KindTrue, jsontext.KindFalse:
		token, err := dec.ReadToken()
		if err != nil {
			return "", err
		}
		return token.String(), nil
	}
	return "", dec.SkipValue()
}
