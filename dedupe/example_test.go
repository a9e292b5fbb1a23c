package dedupe_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
)

// A gate in front of a store: the accept function asks and writes the store in
// one transaction. Here a map stands for it.
func ExampleGate() {
	gate, err := dedupe.New(dedupe.Options{})
	if err != nil {
		panic(err)
	}
	defer gate.Close()

	stored := map[string]dedupe.Digest{}
	receive := func(id, body string) {
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		defer cancel()
		digest := sha256.Sum256([]byte(body))
		verdict, err := gate.Do(ctx, "inbox\x00"+id, digest, func(context.Context) (dedupe.Verdict, error) {
			known, ok := stored[id]
			switch {
			case !ok:
				stored[id] = digest
				return dedupe.Accepted, nil
			case known == digest:
				return dedupe.Duplicate, nil
			}
			return dedupe.Conflict, nil
		})
		fmt.Println(id, verdict, err)
	}
	receive("evt_1", `{"text":"hello"}`)
	receive("evt_1", `{"text":"hello"}`)
	receive("evt_1", `{"text":"something else"}`)
	receive("evt_2", `{"text":"hello"}`)
	// Output:
	// evt_1 accepted <nil>
	// evt_1 duplicate <nil>
	// evt_1 conflict <nil>
	// evt_2 accepted <nil>
}

// Without a disk, a Memory is the judge behind the gate.
func ExampleMemory() {
	gate, err := dedupe.New(dedupe.Options{IDs: -1})
	if err != nil {
		panic(err)
	}
	defer gate.Close()
	memory := dedupe.NewMemory(24*time.Hour, 100_000, nil)

	handle := func(context.Context) error {
		fmt.Println("handled")
		return nil
	}
	for range 2 {
		digest := sha256.Sum256([]byte("hello"))
		verdict, err := gate.Do(context.Background(), "evt_1", digest, func(ctx context.Context) (dedupe.Verdict, error) {
			return memory.Accept(ctx, "evt_1", digest, handle)
		})
		fmt.Println(verdict, err)
	}
	// Output:
	// handled
	// accepted <nil>
	// duplicate <nil>
}
