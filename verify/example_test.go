package verify_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/inboxgate/inboxgate/verify"
)

func Example() {
	v, err := verify.New(verify.Key("whsec_0123456789abcdef"))
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"id":"evt_1234567890","type":"message.read"}`)
	header := http.Header{verify.Header: {verify.Sign([]byte("whsec_0123456789abcdef"), body)}}

	_, err = v.Verify(body, header.Values(verify.Header)...)
	fmt.Println("as sent:", err)
	_, err = v.Verify(append(body, '\n'), header.Values(verify.Header)...)
	fmt.Println("changed:", err)
	// Output:
	// as sent: <nil>
	// changed: signature does not match
}

func ExampleNew() {
	// While a secret is being changed, both are good until the old one expires.
	v, err := verify.New(
		verify.Secret{Key: []byte("whsec_new_0123456789"), Label: "new"},
		verify.Secret{Key: []byte("whsec_old_0123456789"), Label: "old", NotAfter: time.Date(2025, 1, 31, 0, 0, 0, 0, time.UTC)},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range v.Expired() {
		fmt.Println("expired:", s.Label)
	}
	fmt.Println("active:", v.Active())

	_, err = verify.New(verify.Key(""))
	fmt.Println(errors.Is(err, verify.ErrEmptySecret), err)
	// Output:
	// expired: old
	// active: 1
	// true checking secret 1: secret is empty: set the variable or file it is read from
}

func ExampleFromEnv() {
	// Set by whoever starts the program. During a rotation it holds both secrets, one a line.
	os.Setenv(verify.EnvSecret, "whsec_new_0123456789\nwhsec_old_0123456789")
	defer os.Unsetenv(verify.EnvSecret)

	v, err := verify.FromEnv()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Active(), "secrets")

	os.Unsetenv(verify.EnvSecret)
	_, err = verify.FromEnv()
	fmt.Println(err)
	// Output:
	// 2 secrets
	// no secret: set INBOX_WEBHOOK_SECRET (or INBOX_WEBHOOK_SECRET_FILE to the path of a file that holds it) to the webhook's secret, at least 16 bytes long
}

func ExampleVerifier_Check() {
	v, err := verify.New(verify.Key("whsec_0123456789abcdef"))
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"id":"evt_1234567890"}`)
	// What a gateway hands on may have names in lower case.
	header := http.Header{"x-inbox-signature": {verify.Sign([]byte("whsec_0123456789abcdef"), body)}}
	fmt.Println(v.Check(body, header))
	fmt.Println(v.Check(body, nil))
	// Output:
	// <nil>
	// signature is missing
}

func ExampleSign() {
	fmt.Println(verify.Sign([]byte("whsec_0123456789abcdef"), []byte(`{"id":"evt_1234567890"}`)))
	// Output: sha256=01b92b9e959b99d03842eeeed1aa0476580ca56dd5888889bf3519c8750fe45f
}

func ExampleMiddleware() {
	v, err := verify.New(verify.Key("whsec_0123456789abcdef"))
	if err != nil {
		fmt.Println(err)
		return
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("app got %s\n", body)
	})
	handler := verify.Middleware(v, verify.MaxBody(64<<10))(app)

	for _, signature := range []string{verify.Sign([]byte("whsec_0123456789abcdef"), []byte(`{"id":"evt_1"}`)), "sha256=00"} {
		req := httptest.NewRequest(http.MethodPost, "/webhooks/inbox", strings.NewReader(`{"id":"evt_1"}`))
		req.Header.Set(verify.Header, signature)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		fmt.Println(rec.Code)
	}
	// Output:
	// app got {"id":"evt_1"}
	// 200
	// 401
}
