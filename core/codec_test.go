package session

import (
	"bytes"
	"encoding/gob"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Gob gives back what JSON cannot, and what both can.
func TestGob_RoundTrip(t *testing.T) {
	type point struct{ X, Y int }
	type order struct {
		Lines map[point]string
		At    time.Time
		Sum   *big.Int
		Phase complex128
		Blob  []byte
		Next  *order
		hush  int
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	for _, v := range []any{
		1, "", "text", 1.5, 2i, true, []byte(nil), []int{1, 2}, map[point]bool{{1, 2}: true}, point{}, [3]int8{1, 2, 3}, at,
		order{Lines: map[point]string{{1, 2}: "a"}, At: at, Sum: big.NewInt(1 << 40), Phase: 1i, Blob: []byte{0}, Next: &order{At: at}},
		&point{3, 4},
	} {
		b, err := Gob{}.Encode(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		got := reflect.New(reflect.TypeOf(v))
		if err := (Gob{}).Decode(b, got.Interface()); err != nil || !reflect.DeepEqual(got.Elem().Interface(), v) {
			t.Errorf("%#v became %#v: %v", v, got.Elem().Interface(), err)
		}
		if cap(b) > 2*len(b)+64 {
			t.Errorf("%T: %d bytes in %d", v, len(b), cap(b))
		}
		if again, err := (Gob{}).Encode(v); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%T: not the same bytes again: %v", v, err)
		}
	}
	if b, err := (Gob{}).Encode(order{hush: 1}); err != nil || (Gob{}).Decode(b, new(order)) != nil {
		t.Error("fields that are not exported are in the way", err)
	}
}

// What gob cannot hold is an error, never a panic.
func TestGob_RefusesWhatItCannotHold(t *testing.T) {
	var nothing *int
	for name, v := range map[string]any{
		"a nil pointer": nothing, "a pointer to one": &nothing, "nil": nil, "a channel": make(chan int),
		"a function": func() {}, "a struct without exported fields": struct{ a int }{1}, "a nil pointer in a slice": []*int{nil},
		"a type that is not registered": struct{ V any }{struct{ A int }{1}},
	} {
		if b, err := (Gob{}).Encode(v); err == nil {
			t.Errorf("%s: became %d bytes", name, len(b))
		}
	}
}

// lengths are gob streams whose lengths promise more than there is.
var lengths = [][]byte{
	{0x7f}, {0xfc, 0x7f, 0xff, 0xff, 0xff}, {0xfc, 0x7f, 0xff, 0xff, 0xff, 1}, {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	{0xf8, 0, 0, 0, 2, 0, 0, 0, 0}, {0xf7}, {0x80}, {0xff}, {0xfc, 0x7f},
}

func TestGob_WhatIsPromisedCostsNothing(t *testing.T) {
	for _, b := range append(lengths, bytes.Join([][]byte{mustGob(t, 1), lengths[1]}, nil)) {
		var n int
		var err error
		cost := allocated(func() { err = Gob{}.Decode(b, &n) })
		if err == nil || cost > 64<<10 {
			t.Errorf("%x: %d bytes, %v", b, cost, err)
		}
	}
	// Nor is a whole stream refused, however its lengths are written.
	long := strings.Repeat("long", 50_000)
	for _, v := range []string{"", "short", long[:100], long[:200], long} {
		b := mustGob(t, v)
		var got string
		if !wholeMessages(b) || (Gob{}).Decode(b, &got) != nil || got != v {
			t.Error(len(v))
		}
		if wholeMessages(b[:len(b)-1]) || (Gob{}).Decode(b[:len(b)-1], &got) == nil || (Gob{}).Decode(append(b, 3, 4, 0, 2), &got) == nil {
			t.Error(len(v), "cut short, or longer, and read all the same")
		}
	}
}

func mustGob(t testing.TB, v any) []byte {
	t.Helper()
	b, err := Gob{}.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type gobValue struct {
	A int
	B []string
	C map[string]gobValue
	D any
}

func FuzzGob(f *testing.F) {
	gob.Register(gobValue{})
	f.Add([]byte{})
	for _, b := range lengths {
		f.Add(b)
	}
	f.Add(mustGob(f, gobValue{A: 1, B: []string{"a", "b"}, C: map[string]gobValue{"c": {A: 2}}, D: gobValue{B: []string{"d"}}}))
	f.Add(mustGob(f, "text"))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		var v gobValue
		err := Gob{}.Decode(data, &v)
		if !bytes.Equal(data, before) {
			t.Fatal("the value was written to")
		}
		if err == nil && !wholeMessages(data) {
			t.Fatal("read what is not whole")
		}
	})
}
