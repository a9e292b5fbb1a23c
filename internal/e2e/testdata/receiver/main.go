// Command receiver is the app of the image's test: it prints the id of each
// event that it is given, once it has checked the signature itself.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/inboxgate/inboxgate/verify"
)

func main() {
	v, err := verify.New(verify.Key(os.Getenv("INBOX_WEBHOOK_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhooks/inbox", verify.Middleware(v)(http.HandlerFunc(receive)))
	fmt.Println("listening")
	log.Fatal(http.ListenAndServe(":3000", nil))
}

func receive(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fmt.Printf("event %s .\n", r.Header.Get("X-Inbox-Event-Id"))
	w.WriteHeader(http.StatusNoContent)
}
