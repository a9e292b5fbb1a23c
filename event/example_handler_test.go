package event_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/inboxgate/inboxgate/dedupe"
	"github.com/inboxgate/inboxgate/event"
	"github.com/inboxgate/inboxgate/verify"
)

// The whole of a receiver: signatures, limits, copies and retries are seen to.
func ExampleHandler() {
	os.Setenv(verify.EnvSecret, "whsec_0123456789abcdef") // by whoever starts the program
	defer os.Unsetenv(verify.EnvSecret)

	v, err := verify.FromEnv()
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/inbox", event.Handler(v, dedupe.New(), func(_ context.Context, e event.Event) error {
		fmt.Println("handling", e.ID, e.Type)
		return nil // or an error, and the event comes again
	}))

	// What the platform sends: an event, its copy, and somebody else's.
	body := `{"id":"evt_1","type":"message.read","data":{"message_id":"msg_7"}}`
	for _, signature := range []string{
		verify.Sign([]byte("whsec_0123456789abcdef"), []byte(body)),
		verify.Sign([]byte("whsec_0123456789abcdef"), []byte(body)),
		verify.Sign([]byte("a guess"), []byte(body)),
	} {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/inbox", strings.NewReader(body))
		r.Header.Set(verify.Header, signature)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("X-Inbox-Result"))
	}
	// Output:
	// handling evt_1 message.read
	// 200 accepted
	// 200 duplicate
	// 401
}

// A body that was rightly signed and is no event is worth a look: with OnOdd it
// is kept and gets a 200, without it is refused.
func ExampleOnOdd() {
	v, err := verify.New(verify.Key("whsec_0123456789abcdef"))
	if err != nil {
		fmt.Println(err)
		return
	}
	h := event.Handler(v, dedupe.New(),
		func(context.Context, event.Event) error { return nil },
		event.OnOdd(func(_ context.Context, o event.Odd) error {
			fmt.Println("keeping", len(o.Body), "bytes:", o.Reason)
			return nil
		}))
	body := `{"id":"evt_1"}`
	r := httptest.NewRequest(http.MethodPost, "/webhooks/inbox", strings.NewReader(body))
	r.Header.Set(verify.Header, verify.Sign([]byte("whsec_0123456789abcdef"), []byte(body)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("X-Inbox-Result"))
	// Output:
	// keeping 14 bytes: type is missing
	// 200 quarantined
}

// Where there is no http.Handler to give, such as in a function of a cloud or in
// another framework: body and header in, event out.
func ExampleConstruct() {
	v, err := verify.New(verify.Key("whsec_0123456789abcdef"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := dedupe.New()
	receive := func(ctx context.Context, body []byte, header http.Header) (status int) {
		e, err := event.Construct(body, header, v)
		switch {
		case errors.Is(err, event.ErrUnsigned):
			return http.StatusUnauthorized
		case err != nil:
			fmt.Println(event.Reason(err))
			return http.StatusBadRequest
		}
		_, _, err = ids.Once(ctx, e.ID, sha256.Sum256(body), func(context.Context) error {
			payload, err := e.Payload()
			if errors.Is(err, event.ErrUnknownType) {
				return nil
			}
			fmt.Printf("%s: %T\n", e.ID, payload)
			return err
		})
		if err != nil {
			return http.StatusInternalServerError // it comes again
		}
		return http.StatusOK
	}

	read := `{"id":"evt_1","type":"message.read","data":{}}`
	for _, body := range []string{read, read, `{"id":"evt_2","type":"message.sent"}`, "not JSON"} {
		header := http.Header{"x-inbox-signature": {verify.Sign([]byte("whsec_0123456789abcdef"), []byte(body))}}
		fmt.Println(receive(context.Background(), []byte(body), header))
	}
	fmt.Println(receive(context.Background(), []byte(`{"id":"evt_3"}`), nil))
	// Output:
	// evt_1: event.MessageRead
	// 200
	// 200
	// 200
	// body is not JSON
	// 400
	// 401
}
