package session_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

const tooLong = 101 * 365 * 24 * time.Hour

func TestConfig_MistakesAreErrors(t *testing.T) {
	type config = session.Config
	tests := []struct {
		cfg  config
		want []string // parts of the error: field, value, what is allowed
	}{
		{config{IdleTimeout: time.Millisecond}, []string{"Config.IdleTimeout is 1ms", "from 1s", "negative"}},
		{config{IdleTimeout: tooLong}, []string{"Config.IdleTimeout", "876000h0m0s", "negative"}},
		{config{IdleTimeout: -1, AbsoluteTimeout: -1}, []string{"IdleTimeout", "AbsoluteTimeout", "both off"}},
		{config{AbsoluteTimeout: 5}, []string{"Config.AbsoluteTimeout is 5ns", "from 1s", "negative"}},
		{config{AbsoluteTimeout: tooLong}, []string{"Config.AbsoluteTimeout"}},
		{config{RefreshInterval: -time.Second}, []string{"Config.RefreshInterval is -1s", "from 1ms"}},
		{config{RefreshInterval: 1}, []string{"Config.RefreshInterval is 1ns", "from 1ms"}},
		{config{RefreshInterval: tooLong}, []string{"Config.RefreshInterval"}},
		{config{AcquireTimeout: 1}, []string{"Config.AcquireTimeout is 1ns", "negative"}},
		{config{AcquireTimeout: tooLong}, []string{"Config.AcquireTimeout"}},
		{config{StoreTimeout: -1}, []string{"Config.StoreTimeout is -1ns", "from 1ms"}},
		{config{StoreTimeout: tooLong}, []string{"Config.StoreTimeout"}},
		{config{SaveTimeout: -1}, []string{"Config.SaveTimeout is -1ns", "from 1ms"}},
		{config{SaveTimeout: tooLong}, []string{"Config.SaveTimeout"}},
		{config{LockLease: -1}, []string{"Config.LockLease is -1ns", "from 100ms"}},
		{config{LockLease: time.Millisecond}, []string{"Config.LockLease is 1ms", "from 100ms"}},
		{config{LockLease: tooLong}, []string{"Config.LockLease"}},
		{config{ExecutionTimeout: 1}, []string{"Config.ExecutionTimeout is 1ns", "negative"}},
		{config{ExecutionTimeout: tooLong}, []string{"Config.ExecutionTimeout"}},
		{config{PollInterval: -1}, []string{"Config.PollInterval is -1ns", "from 1ms"}},
		{config{PollInterval: tooLong}, []string{"Config.PollInterval"}},
		{config{RenewGrace: 1}, []string{"Config.RenewGrace is 1ns", "negative"}},
		{config{RenewGrace: tooLong}, []string{"Config.RenewGrace"}},
		{config{ReapInterval: 1}, []string{"Config.ReapInterval is 1ns", "negative"}},
		{config{ReapInterval: tooLong}, []string{"Config.ReapInterval"}},
		{config{Namespace: strings.Repeat("n", 256)}, []string{"Config.Namespace", "256", "255"}},
		{config{Codec: hexCodec{""}}, []string{"Config.Codec", `""`, "from 1 to 32"}},
		{config{Codec: hexCodec{strings.Repeat("c", 33)}}, []string{"Config.Codec", "ccc", "from 1 to 32"}},

		{config{RefuseMoreSessions: true}, []string{"Config.RefuseMoreSessions", "Config.MaxSessionsPerOwner is 0", "limit"}},
		{config{ReadCodecs: []session.Codec{hexCodec{"a"}, nil}}, []string{"Config.ReadCodecs[1]", "nil"}},
		{config{ReadCodecs: []session.Codec{hexCodec{""}}}, []string{"Config.ReadCodecs[0]", `""`, "from 1 to 32"}},
		{config{ReadCodecs: []session.Codec{hexCodec{"a"}, hexCodec{"b"}, hexCodec{"a"}}}, []string{"Config.ReadCodecs[2]", `"a"`, "[0]"}},

		{config{EncryptionKeys: [][]byte{}}, []string{"Config.EncryptionKeys is empty", "32 bytes", "nil"}},
		{config{EncryptionKeys: [][]byte{nil}}, []string{"Config.EncryptionKeys[0] has 0 bytes", "must have 32"}},
		{config{EncryptionKeys: [][]byte{key(1), key(2)[:31]}}, []string{"Config.EncryptionKeys[1] has 31 bytes", "must have 32"}},
		{config{EncryptionKeys: [][]byte{append(key(1), 1)}}, []string{"Config.EncryptionKeys[0] has 33 bytes", "must have 32"}},
		{config{EncryptionKeys: [][]byte{key(1), make([]byte, 32)}}, []string{"Config.EncryptionKeys[1]", "zeros"}},
		{config{EncryptionKeys: [][]byte{key(1), key(2), key(1)}}, []string{"Config.EncryptionKeys[2]", "the same as [0]"}},
		{config{Unencrypted: session.ReadUnencrypted}, []string{"Config.Unencrypted", "Config.EncryptionKeys is not"}},
		{config{Unencrypted: 3, EncryptionKeys: [][]byte{key(1)}}, []string{"Config.Unencrypted is 3", "WriteUnencrypted"}},
		{config{ID: session.URI{}, AdoptExpiredID: true}, []string{"Config.AdoptExpiredID", "Config.ID is session.URI", "leave one"}},
		{config{ID: session.AutoDetect{}, AdoptExpiredID: true}, []string{"Config.AdoptExpiredID", "Config.ID is session.AutoDetect", "leave one"}},
		{config{ID: session.AutoDetect{Cookie: session.Cookie{Path: "/app"}}}, []string{"Config.ID", "AutoDetect.Cookie.Path", `"/app"`, `must be "/"`}},
		{config{ID: session.AutoDetect{Cookie: session.Cookie{Name: "a b"}}}, []string{"Config.ID", "AutoDetect.Cookie"}},
		{config{ID: session.AutoDetect{Cookie: session.Cookie{SameSite: 9}}}, []string{"Config.ID", "AutoDetect.Cookie.SameSite", "9"}},

		{config{ID: session.Cookie{Name: "a b"}}, []string{"Config.ID", "Cookie"}},
		{config{ID: session.Cookie{Name: "a=b"}}, []string{"Config.ID", "Cookie"}},
		{config{ID: session.Cookie{Name: "sitzung-ü"}}, []string{"Config.ID", "Cookie"}},
		{config{ID: session.Cookie{Path: "app"}}, []string{"Config.ID", "Cookie.Path", `"app"`, `begin with "/"`}},
		{config{ID: session.Cookie{Path: "/a;b"}}, []string{"Config.ID", "Cookie"}},
		{config{ID: session.Cookie{Domain: "exa mple.com"}}, []string{"Config.ID", "Cookie"}},
		{config{ID: session.Cookie{SameSite: 9}}, []string{"Config.ID", "Cookie.SameSite", "9"}},
		{config{ID: session.Cookie{SameSite: -1}}, []string{"Config.ID", "Cookie.SameSite", "-1"}},
		{config{ID: session.Cookie{SameSite: http.SameSiteNoneMode, Insecure: true}}, []string{"Cookie.SameSite", "None", "Insecure"}},
		{config{ID: session.Cookie{Partitioned: true, Insecure: true}}, []string{"Cookie.Partitioned", "Insecure"}},
		{config{ID: session.Cookie{Name: "__Host-s", Insecure: true}}, []string{"Cookie.Insecure", "__Host-s"}},
		{config{ID: session.Cookie{Name: strings.Repeat("n", 1025)}}, []string{"Cookie.Name", "1025", "1024"}},
		{config{ID: session.Cookie{Name: "__host-s", Insecure: true}}, []string{"Cookie.Insecure", "__host-s"}},
		{config{ID: session.Cookie{Name: "__Host-s", Domain: "example.com"}}, []string{"Cookie.Domain", "example.com", "__Host-s"}},
		{config{ID: session.Cookie{Name: "__HOST-s", Path: "/app"}}, []string{"Cookie.Path", "/app", "__HOST-s"}},
		{config{ID: session.Cookie{Name: "__Secure-s", Insecure: true}}, []string{"Cookie.Insecure", "__Secure-s"}},
		{config{ID: session.Header{Name: "a b"}}, []string{"Config.ID", "Header.Name", `"a b"`, "letters"}},
		{config{ID: session.Header{Name: "X:Y"}}, []string{"Config.ID", "Header.Name", "letters"}},
		{config{ID: session.Header{Name: "X_Y"}}, []string{"Config.ID", "Header.Name", "letters"}},
		{config{ID: session.Header{Name: "Sitzung-Ü"}}, []string{"Config.ID", "Header.Name", "letters"}},
	}
	for _, tt := range tests {
		t.Run(tt.want[0]+tt.want[len(tt.want)-1], func(t *testing.T) {
			m, err := session.New(memstore.New(), tt.cfg)
			if err == nil || m != nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "session: ") {
				t.Errorf("%v does not say where it comes from", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not contain %q", err, part)
				}
			}
		})
	}
	if _, err := session.New(nil, session.Config{}); err == nil || !strings.Contains(err.Error(), "store is nil") {
		t.Error(err)
	}
}

func TestConfig_WhatIsAllowed(t *testing.T) {
	for _, cfg := range []session.Config{
		{},
		{IdleTimeout: time.Second, AbsoluteTimeout: time.Second, RefreshInterval: time.Millisecond},
		{IdleTimeout: -1}, {AbsoluteTimeout: -1}, {AcquireTimeout: -1}, {ExecutionTimeout: -1}, {RenewGrace: -1}, {ReapInterval: -1},
		{RequestQueueLimit: -1}, {RequestQueueLimit: 1}, {MaxSize: -1}, {MaxSize: 1},
		{LockLease: 100 * time.Millisecond, StoreTimeout: time.Millisecond, SaveTimeout: time.Millisecond},
		{PollInterval: time.Hour}, {Namespace: strings.Repeat("n", 255)},
		{IdleTimeout: tooLong - 365*24*time.Hour, AbsoluteTimeout: tooLong - 365*24*time.Hour},
		{ID: session.Cookie{Insecure: true}}, {ID: session.Cookie{Domain: "example.com", Path: "/app", Persist: true}},
		{ID: session.Cookie{Name: "__Host-s", Partitioned: true, SameSite: http.SameSiteNoneMode}},
		{ID: session.Cookie{Name: "__Secure-s", Domain: "example.com", Path: "/app"}},
		{ID: session.Cookie{SameSite: http.SameSiteStrictMode}}, {ID: session.Cookie{SameSite: http.SameSiteDefaultMode}},
		{ID: session.Header{}}, {ID: session.Header{Name: "x-session-id2"}},
	} {
		newManager(t, memstore.New(), cfg)
	}
	for _, cfg := range []session.Config{
		{Compress: true}, {EncryptionKeys: [][]byte{key(1)}}, {EncryptionKeys: [][]byte{key(1), key(2)}, Compress: true, MaxSize: -1},
		{EncryptionKeys: [][]byte{key(1)}, Unencrypted: session.ReadUnencrypted},
		{EncryptionKeys: [][]byte{key(1)}, Unencrypted: session.WriteUnencrypted},
		{Codec: session.Gob{}}, {ReadCodecs: []session.Codec{hexCodec{"hex"}, session.JSON{}, session.Gob{}}},
	} {
		cfg.Logger = slog.New(slog.DiscardHandler)
		newManager(t, memstore.New(), cfg)
	}
}

// key returns an encryption key.
func key(i byte) []byte { return bytes.Repeat([]byte{i, ^i, 0x5a, 'k'}, 8) }

// The Config is copied: what becomes of it later has no effect.
func TestConfig_IsCopied(t *testing.T) {
	cfg := session.Config{Namespace: "a"}
	memory := memstore.New()
	m := newManager(t, memory, cfg)
	cfg.Namespace = "b"
	c := &client{t: t, m: m}
	if err := c.do(session.Exclusive, func(s *session.Session) { _ = countKey.Set(s, 1) }); err != nil {
		t.Fatal(err)
	}
	for _, err := range memory.All(t.Context(), "b") {
		t.Error("stored in the new namespace", err)
	}
	c.count(1)
}

func TestConfig_AllowConcurrentRequests(t *testing.T) {
	for allow, want := range map[bool]session.Mode{false: session.Exclusive, true: session.Concurrent} {
		sv := newService(t, session.Config{AllowConcurrentRequests: allow})
		r := sv.visitor().begin()
		s, err := session.Acquire(r.ctx)
		if err != nil || s.Mode() != want {
			t.Error(allow, err, s.Mode())
		}
		sv.check(r.end(ok200))
	}
}

// Namespaces of one store do not know each other's IDs, however their names
// and IDs meet.
func TestConfig_NamespacesAreApart(t *testing.T) {
	memory := memstore.New()
	a := newProcess(t, memory, session.Config{Namespace: "a"})
	b := newProcess(t, memory, session.Config{Namespace: "b"})
	c := a.visitor()
	c.m = b.Manager
	c.count(absent)
	c.m = a.Manager
	c.count(1)
}

// What a store is told is what the documentation says of the defaults.
func TestConfig_Defaults(t *testing.T) {
	sv := newService(t, session.Config{})
	var rec session.Record
	seen := func(_ session.StoreKey, r session.Record) { rec = r }
	m := newManager(t, spyStore{sv.calls.Store, seen}, session.Config{ReapInterval: -1})
	c := &client{t: t, m: m}
	sv.check(c.do(session.Exclusive, func(s *session.Session) {
		sv.check(countKey.Set(s, 1))
		if s.Timeout() != 20*time.Minute {
			t.Error(s.Timeout())
		}
		sv.check(textKey.Set(s, strings.Repeat("a", 1<<20-100)))
		wantIs(t, textKey.Set(s, strings.Repeat("a", 1<<20)), session.ErrTooLarge)
	}))
	if rec.IdleTimeout != 20*time.Minute || rec.Refresh != time.Minute || rec.Lifetime != 24*time.Hour || rec.Namespace != "" || rec.Events {
		t.Errorf("%+v", rec)
	}
	if n := sv.calls.Counts()[sessiontest.OpCreate]; n != 1 {
		t.Error(n)
	}
}

func TestMode_String(t *testing.T) {
	want := "[exclusive read-only snapshot concurrent]"
	if got := fmt.Sprint(allModes); got != want {
		t.Error(got)
	}
	if got := session.Mode(9).String(); got != "mode 9" {
		t.Error(got)
	}
	sv := newService(t, session.Config{})
	r := sv.visitor().begin()
	for _, modes := range [][]session.Mode{{session.Mode(9)}, {session.Exclusive, session.ReadOnly}} {
		if _, err := session.Acquire(r.ctx, modes...); err == nil || !strings.Contains(err.Error(), "session: Acquire") {
			t.Error(err)
		}
	}
	sv.check(r.end(ok200))
}
