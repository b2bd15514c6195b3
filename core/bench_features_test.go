package session_test

import (
	"bytes"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
)

// BenchmarkFeatures is what Observer, Compress and EncryptionKeys add to a
// request that changes its session, and to one that reads it, of 200 bytes and
// of 4 KB. "off" is to be compared with BenchmarkRequest of the version before
// there were any.
func BenchmarkFeatures(b *testing.B) {
	keys := [][]byte{bytes.Repeat([]byte{7}, 32)}
	for _, bm := range []struct {
		name string
		cfg  session.Config
	}{
		{"off", session.Config{}},
		{"Observer", session.Config{Observer: deaf{}}},
		{"Compress", session.Config{Compress: true}},
		{"EncryptionKeys", session.Config{EncryptionKeys: keys}},
		{"all", session.Config{Observer: deaf{}, Compress: true, EncryptionKeys: keys}},
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
		for _, use := range []struct {
			name string
			mode session.Mode
			size int
			do   func(*session.Session)
		}{
			{"exclusive/200B", session.Exclusive, 200, benchStep},
			{"exclusive/4KB", session.Exclusive, 4096, benchStep},
			{"read-only/200B", session.ReadOnly, 200, benchLook},
			{"read-only/4KB", session.ReadOnly, 4096, benchLook},
		} {
			b.Run(bm.name+"/"+use.name, func(b *testing.B) {
				ex := benchSession(b, m, use.size)
				b.ReportAllocs()
				for b.Loop() {
					if err := benchRequest(m, ex, use.mode, use.do); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
