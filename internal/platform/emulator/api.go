package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/inboxgate/inboxgate/internal/platform"
)

const maxRequest = 64 << 10 // bytes of a request's body

// call serves one request: it returns an HTTP status and a value that becomes JSON.
type call func(*http.Request) (int, any, error)

// methods are the calls of one path, by their method.
type methods map[string]call

// list is the envelope of every list.
//
// OUR ASSUMPTION: the documentation shows none.
type list[T any] struct {
	Data []T `json:"data"`
}

// routes returns the handler of all paths: the API, what is beside it, and the page.
func (e *Emulator) routes() http.Handler {
	api := http.NewServeMux()
	api.Handle("/v1/webhooks", methods{http.MethodGet: e.apiList, http.MethodPost: e.apiCreate})
	api.Handle("/v1/webhooks/{id}", methods{http.MethodPut: e.apiUpdate, http.MethodDelete: e.apiDelete})
	api.Handle("/v1/webhooks/test", methods{http.MethodPost: e.apiTest})
	api.Handle("/v1/webhooks/{id}/logs", methods{http.MethodGet: e.apiLogs})
	api.HandleFunc("/", nothingHere)

	control := http.NewServeMux()
	control.Handle("/_emulator/send", methods{http.MethodPost: e.controlSend})
	control.Handle("/_emulator/advance", methods{http.MethodPost: e.controlAdvance})
	control.Handle("/_emulator/state", methods{http.MethodGet: e.controlState})
	control.Handle("/_emulator/reset", methods{http.MethodPost: e.controlReset})
	control.HandleFunc("/", nothingHere)

	all := http.NewServeMux()
	all.Handle("/v1/", e.withKey(api))
	all.Handle("/_emulator/", e.nearby(control))
	e.addPage(all)
	all.HandleFunc("/", nothingHere)
	return all
}

// ServeHTTP answers the API and /_emulator/.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.life.Err() != nil {
		refuse(w, refusal(http.StatusServiceUnavailable, "closed", "%v", ErrClosed))
		return
	}
	e.handler.ServeHTTP(w, r)
}

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	do := m[r.Method]
	if do == nil {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(m)), ", "))
		refuse(w, refusal(http.StatusMethodNotAllowed, "method_not_allowed", "%s is not allowed here", tidy(r.Method)))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	status, value, err := do(r)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, status, value)
}

func nothingHere(w http.ResponseWriter, r *http.Request) {
	refuse(w, refusal(http.StatusNotFound, "not_found", "there is nothing at %s", tidy(r.URL.Path)))
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(value)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// refuse writes an error as JSON.
//
// OUR ASSUMPTION: the documentation shows no error body.
func refuse(w http.ResponseWriter, err error) {
	said := &platform.APIError{Status: http.StatusInternalServerError, Code: "internal", Message: tidy(err.Error())}
	var asAPI *platform.APIError
	if errors.As(err, &asAPI) {
		said = asAPI
	}
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	answer(w, said.Status, struct {
		Error problem `json:"error"`
	}{problem{said.Code, said.Message}})
}

// withKey lets pass the requests that have the API's key.
func (e *Emulator) withKey(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.checkKey(r); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (e *Emulator) checkKey(r *http.Request) error {
	value := r.Header.Get("Authorization")
	if value == "" {
		return refusal(http.StatusUnauthorized, "unauthorized", "the API key is missing: send it as Authorization: Bearer <key>")
	}
	scheme, key, _ := strings.Cut(value, " ")
	// Hashes have one length, so the time says nothing about the key.
	got, want := sha256.Sum256([]byte(strings.TrimSpace(key))), sha256.Sum256([]byte(e.key))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return refusal(http.StatusUnauthorized, "unauthorized", "the API key is wrong")
	}
	return nil
}

// read decodes the JSON body of a request. Where strict, unknown members are an
// error, and the Content-Type does not matter.
func read(r *http.Request, into any, strict bool) error {
	typ := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(typ); typ != "" && (err != nil || media != "application/json") && !strict {
		return refusal(http.StatusUnsupportedMediaType, "unsupported_media_type", "the body is not JSON by its Content-Type: send application/json")
	}
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refusal(http.StatusRequestEntityTooLarge, "too_large", "the body is longer than %d KiB", maxRequest>>10)
	case err != nil:
		return refusal(http.StatusBadRequest, "bad_request", "the body did not come")
	case len(body) == 0:
		return refusal(http.StatusBadRequest, "bad_request", "the body is empty: send JSON")
	}
	if err := json.Unmarshal(body, into, json.RejectUnknownMembers(strict)); err != nil {
		return refusal(http.StatusBadRequest, "bad_request", "%s", misread(err))
	}
	return nil
}

// misread returns where a body is wrong. It repeats no more of it than a name.
func misread(err error) string {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return "the body is not strict JSON"
	}
	at := tidy(string(semantic.JSONPointer))
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return "unknown member " + at
	case at == "":
		return "the body is not a JSON object"
	}
	return "the value of " + at + " is of the wrong type"
}

func (e *Emulator) apiList(*http.Request) (int, any, error) {
	return http.StatusOK, list[platform.Webhook]{e.List()}, nil
}

func (e *Emulator) apiCreate(r *http.Request) (int, any, error) {
	var reg platform.Registration
	if err := read(r, &reg, false); err != nil {
		return 0, nil, err
	}
	w, err := e.Create(reg)
	return http.StatusCreated, w, err
}

func (e *Emulator) apiUpdate(r *http.Request) (int, any, error) {
	var p patch
	if err := read(r, &p, false); err != nil {
		return 0, nil, err
	}
	w, err := e.update(r.PathValue("id"), p)
	return http.StatusOK, w, err
}

func (e *Emulator) apiDelete(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, e.Delete(r.PathValue("id"))
}

func (e *Emulator) apiTest(r *http.Request) (int, any, error) {
	var test struct {
		WebhookID string `json:"webhook_id"`
		EventType string `json:"event_type"`
	}
	if err := read(r, &test, false); err != nil {
		return 0, nil, err
	}
	if test.WebhookID == "" {
		return 0, nil, invalid("webhook_id is missing")
	}
	t, err := e.Test(test.WebhookID, test.EventType)
	return http.StatusAccepted, t, err
}

func (e *Emulator) apiLogs(r *http.Request) (int, any, error) {
	logs, err := e.Logs(r.PathValue("id"))
	return http.StatusOK, list[platform.LogEntry]{logs}, err
}
