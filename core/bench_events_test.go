package session_test

import (
	"context"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// BenchmarkEvents is what OnStart, OnEnd and MaxSessionsPerOwner cost requests
// that have nothing to do with starts, ends and owners; "off" is to be compared
// with BenchmarkRequest and BenchmarkNewSession of the version before.
func BenchmarkEvents(b *testing.B) {
	onStart := func(context.Context, *session.Session) error { return nil }
	onEnd := func(context.Context, session.Ended) error { return nil }
	for _, bm := range []struct {
		name string
		cfg  session.Config
	}{
		{"off", session.Config{}},
		{"OnStart", session.Config{OnStart: onStart}},
		{"OnEnd", session.Config{OnEnd: onEnd}},
		{"MaxSessionsPerOwner", session.Config{MaxSessionsPerOwner: 3}},
	} {
		m, err := session.New(memstore.New(), bm.cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := closeSoon(m); err != nil {
				b.Error(err)
			}
		})
		b.Run(bm.name+"/exclusive/get+set", func(b *testing.B) {
			ex := benchSession(b, m, 200)
			b.ReportAllocs()
			for b.Loop() {
				if err := benchRequest(m, ex, session.Exclusive, benchStep); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bm.name+"/new session", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := benchRequest(m, &benchExchange{}, session.Exclusive, benchStep); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
