package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/inboxgate/inboxgate/internal/proctest"
)

// What is only to be read takes nothing else, and what changes something is not done
// by reading: 405, with the methods that there are.
func TestOtherMethodsGet405(t *testing.T) {
	t.Parallel()
	dir, ops, admin := t.TempDir(), proctest.FreeAddress(t), proctest.FreeAddress(t)
	p := proctest.Start(t, command(t, dir, []string{
		"INBOX_WEBHOOK_SECRET=" + newSecret, "INBOX_UPSTREAM=127.0.0.1:1", "INBOX_LISTEN=" + proctest.FreeAddress(t), "INBOX_OPS_LISTEN=" + ops, "INBOX_ADMIN=" + admin,
	}))
	p.Await(t, started, 1)
	read := []string{http.MethodGet, http.MethodHead}
	all := map[string][]string{"http://" + ops + "/healthz": read, "http://" + ops + "/readyz": read, "http://" + ops + "/metrics": read}
	for path, methods := range described(t, "http://"+admin) {
		if path == "/inbox/quarantine/discard" || path == "/inbox/quarantine/release" {
			continue // To read, it is an entry of that name.
		}
		all["http://"+admin+strings.NewReplacer("{ref}", "1", "{entry}", "1", "{source}", "inbox", "{route}", "default").Replace(path)] = methods
	}
	if len(all) < 15 {
		t.Fatalf("only %d paths are described", len(all))
	}
	for url, allowed := range all {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "PURGE"} {
			if slices.Contains(allowed, method) {
				continue
			}
			q, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			var says []string
			for m := range strings.SplitSeq(res.Header.Get("Allow"), ",") {
				says = append(says, strings.TrimSpace(m))
			}
			slices.Sort(says)
			if res.StatusCode != http.StatusMethodNotAllowed || !slices.Equal(says, allowed) {
				t.Errorf("%s %s: %d, Allow %q, want %q", method, url, res.StatusCode, says, allowed)
			}
		}
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// described are the methods of each path of the operator's API.
func described(t *testing.T, admin string) map[string][]string {
	t.Helper()
	res, err := http.Get(admin + "/inbox/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for path, ops := range doc.Paths {
		for method := range ops {
			if method = strings.ToUpper(method); method != "PARAMETERS" {
				all[path] = append(all[path], method)
			}
		}
		if slices.Contains(all[path], http.MethodGet) {
			all[path] = append(all[path], http.MethodHead)
		}
		slices.Sort(all[path])
	}
	return all
}
