package dedupe_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/inboxgate/inboxgate/dedupe"
)

func Example() {
	ids := dedupe.New()
	receive := func(id, body string) {
		first, same, err := ids.Once(context.Background(), id, sha256.Sum256([]byte(body)), func(context.Context) error {
			fmt.Println("handling", body)
			return nil
		})
		switch {
		case err != nil:
			fmt.Println(id, "has to come again:", err)
		case first:
			fmt.Println(id, "is handled")
		case same:
			fmt.Println(id, "is a copy")
		default:
			fmt.Println(id, "came with another body")
		}
	}
	receive("evt_1", "hello")
	receive("evt_1", "hello")
	receive("evt_1", "something else")
	// Output:
	// handling hello
	// evt_1 is handled
	// evt_1 is a copy
	// evt_1 came with another body
}

// What fails is not remembered, so that it can be done when it comes again.
func ExampleMemory_Once() {
	ids := dedupe.New()
	down := true
	work := func(context.Context) error {
		if down {
			return errors.New("the database is down")
		}
		return nil
	}
	for range 3 {
		first, same, err := ids.Once(context.Background(), "evt_1", dedupe.Digest{}, work)
		fmt.Println(first, same, err)
		down = false
	}
	// Output:
	// false false the database is down
	// true true <nil>
	// false true <nil>
}

func ExampleMemory_Seen() {
	ids := dedupe.NewMemory(4*time.Hour, 100_000, nil)
	for _, id := range []string{"evt_1", "evt_1", "evt_2"} {
		seen, err := ids.Seen(id)
		fmt.Println(id, seen, err)
	}
	// Output:
	// evt_1 false <nil>
	// evt_1 true <nil>
	// evt_2 false <nil>
}

// A gate in front of a store: the judge asks and writes the store in one
// transaction. Here a map stands for it. What the judge says is the program's own.
func ExampleGate() {
	gate, err := dedupe.NewGate[string](dedupe.GateOptions{})
	if err != nil {
		panic(err)
	}
	defer gate.Close()

	stored := map[string]dedupe.Digest{}
	receive := func(id, body string) {
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		defer cancel()
		digest := sha256.Sum256([]byte(body))
		answer, by, err := gate.Do(ctx, "inbox\x00"+id, digest, func(context.Context) (string, bool, error) {
			known, ok := stored[id]
			switch {
			case !ok:
				stored[id] = digest
				return "is new", true, nil
			case known == digest:
				return "is known", true, nil
			}
			return "came with another body", false, nil
		})
		if by == dedupe.Cached || by == dedupe.Shared && answer == "is new" {
			answer = "is known"
		}
		fmt.Println(id, answer, err)
	}
	receive("evt_1", `{"text":"hello"}`)
	receive("evt_1", `{"text":"hello"}`)
	receive("evt_1", `{"text":"something else"}`)
	receive("evt_2", `{"text":"hello"}`)
	// Output:
	// evt_1 is new <nil>
	// evt_1 is known <nil>
	// evt_1 came with another body <nil>
	// evt_2 is new <nil>
}
