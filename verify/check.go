package verify

import (
	"net/http"
	"net/textproto"
)

// Check is Verify for those who have the header of a request and do not ask
// which secret it was. The signature's name may be written in any case, as
// gateways of functions hand it on. A nil Verifier, which is what is left of New
// where its error was not looked at, refuses everything with ErrNoSecret.
func (v *Verifier) Check(body []byte, header http.Header) error {
	if v == nil {
		return ErrNoSecret
	}
	_, err := v.Verify(body, signatures(header)...)
	return err
}

// signatures returns the values of the signature header. Where its name is not
// in the canonical form, the header was made by hand and is searched.
func signatures(header http.Header) []string {
	values, ok := header[Header]
	if ok {
		return values
	}
	for name, more := range header {
		if textproto.CanonicalMIMEHeaderKey(name) == Header {
			values = append(values, more...)
		}
	}
	return values
}
