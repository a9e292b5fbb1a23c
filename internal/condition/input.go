package condition

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	eventName, dataName = "event", "data"
	// eventType is the name of event's type to CEL.
	eventType = "inboxgate.Event"
)

// Event is what an expression sees of one event.
type Event struct {
	ID, Type, Source string
	// CreatedAt is zero where the body has none.
	CreatedAt, ReceivedAt time.Time
	// Body is JSON; its member data is decoded when an expression asks for it.
	Body []byte
}

// Input is an event to be judged by any number of conditions. It must not be used
// concurrently.
type Input struct {
	event   Event
	data    any
	decoded error // Of data; errUnread until it is asked for.
}

var (
	errUnread  = errors.New("not read yet")
	errNoJSON  = errors.New("the body is no JSON that could be read")
	errConvert = errors.New("an event is nothing else")
	errNoTime  = errors.New("the event has no created_at: ask has(event.created_at) first")
)

// NewInput returns the event as conditions see it.
func NewInput(e Event) *Input { return &Input{event: e, decoded: errUnread} }

// ResolveName implements cel.Activation.
func (in *Input) ResolveName(name string) (any, bool) {
	switch name {
	case eventName:
		return in, true
	case dataName:
		if errors.Is(in.decoded, errUnread) {
			in.data, in.decoded = decodeData(in.event.Body)
		}
		if in.decoded != nil {
			return types.WrapErr(in.decoded), true
		}
		return in.data, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (in *Input) Parent() cel.Activation { return nil }

// The following make event a value that can be in a list.

// ConvertToNative implements ref.Val.
func (in *Input) ConvertToNative(reflect.Type) (any, error) { return nil, errConvert }

// ConvertToType implements ref.Val.
func (in *Input) ConvertToType(ref.Type) ref.Val { return types.WrapErr(errConvert) }

// Equal implements ref.Val.
func (in *Input) Equal(other ref.Val) ref.Val { return types.Bool(other == ref.Val(in)) }

// Type implements ref.Val.
func (in *Input) Type() ref.Type { return types.NewObjectType(eventType) }

// Value implements ref.Val.
func (in *Input) Value() any { return in }

// fieldNames are the members of event.
var fieldNames = []string{"id", "type", "source", "created_at", "received_at"}

// fields are the members of event as CEL reads them.
var fields = map[string]*types.FieldType{
	"id":          field(cel.StringType, func(e *Event) any { return e.ID }),
	"type":        field(cel.StringType, func(e *Event) any { return e.Type }),
	"source":      field(cel.StringType, func(e *Event) any { return e.Source }),
	"received_at": field(cel.TimestampType, func(e *Event) any { return e.ReceivedAt }),
	"created_at": {
		Type:  cel.TimestampType,
		IsSet: func(of any) bool { in, ok := of.(*Input); return ok && !in.event.CreatedAt.IsZero() },
		GetFrom: func(of any) (any, error) {
			in, ok := of.(*Input)
			if !ok || in.event.CreatedAt.IsZero() {
				return nil, errNoTime
			}
			return in.event.CreatedAt, nil
		},
	},
}

func field(t *cel.Type, get func(*Event) any) *types.FieldType {
	return &types.FieldType{
		Type:  t,
		IsSet: func(of any) bool { _, ok := of.(*Input); return ok },
		GetFrom: func(of any) (any, error) {
			in, ok := of.(*Input)
			if !ok {
				return nil, errors.New("this is no event")
			}
			return get(&in.event), nil
		},
	}
}

// provider tells CEL of the type of event, and of nothing more than it knows already.
type provider struct{ *types.Registry }

func newProvider() (*provider, error) {
	r, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	return &provider{r}, nil
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if name == eventType {
		return types.NewTypeTypeWithParam(types.NewObjectType(eventType)), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if name == eventType {
		return fieldNames, true
	}
	return p.Registry.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (p *provider) FindStructFieldType(name, member string) (*types.FieldType, bool) {
	if name == eventType {
		f, ok := fields[member]
		return f, ok
	}
	return p.Registry.FindStructFieldType(name, member)
}

// lenient is how event.Parse reads: what data holds is a matter of the app.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// decodeData returns what the member data of a body holds, and an empty object where
// it has none.
func decodeData(body []byte) (any, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), lenient...)
	if begin, err := dec.ReadToken(); err != nil || begin.Kind() != jsontext.KindBeginObject {
		return nil, errNoJSON
	}
	var data any = map[string]any{}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, errNoJSON
		}
		if name.String() != dataName {
			if err := dec.SkipValue(); err != nil {
				return nil, errNoJSON
			}
			continue
		}
		if data, err = decode(dec); err != nil {
			return nil, errNoJSON
		}
	}
	return data, nil
}

// decode reads one value. The decoder bounds how deep it goes.
func decode(dec *jsontext.Decoder) (any, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), nil
	case jsontext.KindString:
		return token.String(), nil
	case jsontext.KindNumber:
		return number(token.String()), nil
	case jsontext.KindBeginArray:
		list := []any{}
		for dec.PeekKind() != jsontext.KindEndArray {
			v, err := decode(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.ReadToken()
		return list, err
	case jsontext.KindBeginObject:
		object := map[string]any{}
		for dec.PeekKind() != jsontext.KindEndObject {
			name, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String() // The token is gone with the next one.
			if object[key], err = decode(dec); err != nil {
				return nil, err
			}
		}
		_, err := dec.ReadToken()
		return object, err
	}
	return nil, nil //nolint:nilnil // JSON's null is CEL's.
}

// number returns an int64 of a whole number that fits, and of any other a float64,
// which is infinite where the number is too large.
func number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0.0 // Too small to tell from it.
	}
	return f
}
