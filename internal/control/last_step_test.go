package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inboxgate/inboxgate/internal/spool"
)

// ofOne is a store that has one event.
type ofOne struct{ spool.Store }

func (ofOne) Records(context.Context, spool.Query) (spool.Page, error) {
	return spool.Page{Records: make([]spool.Record, 1)}, nil
}

// The last line of a change that took long has what was done, and no rest and no rate:
// those are of a change that goes on.
func TestTheLastStepHasNoRate(t *testing.T) {
	t.Parallel()
	for name, failed := range map[string]error{"done": nil, "failed": errors.New("the disk is full")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &api{Options: Options{Store: ofOne{}}}
				w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(context.WithValue(t.Context(), trustedKey{}, true), http.MethodPost, "/", nil)
				a.follow(func(r *request, s *stream) error {
					_, err := a.walk(r, s, Bulk{}, spool.Query{}, func(spool.Record, *Step) (int, error) {
						time.Sleep(stepEvery)
						return 1, nil
					})
					return errors.Join(err, failed)
				})(w, r)
				var steps []Step
				for in := bufio.NewScanner(w.Body); in.Scan(); {
					var s Step
					if err := json.Unmarshal(in.Bytes(), &s); err != nil {
						t.Fatal(err)
					}
					steps = append(steps, s)
				}
				if len(steps) != 2 || steps[0].Rate != 4 || steps[0].Changed != 1 {
					t.Fatalf("%+v, want a step at 4 a second, and the last", steps)
				}
				if last := steps[1]; last.Rate != 0 || last.Rest != 0 || last.Changed != 1 || last.Done != (failed == nil) || (last.Error == "") != (failed == nil) {
					t.Errorf("the last: %+v", last)
				}
			})
		})
	}
}
