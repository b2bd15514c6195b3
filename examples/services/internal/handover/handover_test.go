package handover

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

func newSigner(t testing.TB) (*Signer, Keys) {
	t.Helper()
	s, err := NewSigner(NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(s.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return s, keys
}

func TestKeys(t *testing.T) {
	now := time.Now()
	signer, keys := newSigner(t)
	next, nextKeys := newSigner(t)
	want := Claims{Party: "shop", User: "Ada", Login: "login", State: "state"}
	token, err := signer.Handover(want, now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.Handover(token, now)
	want.Expires = now.Add(time.Minute).Unix()
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for when, ok := range map[time.Duration]bool{
		-2 * time.Minute: false, 0: true, 58 * time.Second: true, time.Minute: false, time.Hour: false,
	} {
		if _, err := keys.Handover(token, now.Add(when)); (err == nil) != ok || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("after %v: %v", when, err)
		}
	}

	// One message is never another, though the fields were the same.
	logout, err := signer.Logout(Logout{Party: "shop", Logins: []string{"login"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Handover(logout, now); !errors.Is(err, ErrRefused) {
		t.Errorf("a logout as a hand-over: %v", err)
	}
	if _, err := keys.logout(token, "shop", now); !errors.Is(err, ErrRefused) {
		t.Errorf("a hand-over as a logout: %v", err)
	}
	if _, err := keys.logout(logout, "shop", now); err != nil {
		t.Error(err)
	}
	if _, err := keys.logout(logout, "gateway", now); !errors.Is(err, ErrRefused) {
		t.Errorf("a logout for another party: %v", err)
	}

	// While the key changes both are good.
	both, err := ParseKeys(signer.PublicKey() + ", " + next.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Signer{signer, next} {
		token, err := s.Handover(want, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := both.Handover(token, now); err != nil {
			t.Error(err)
		}
	}
	if _, err := nextKeys.Handover(token, now); !errors.Is(err, ErrRefused) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := (Keys)(nil).Handover(token, now); !errors.Is(err, ErrRefused) {
		t.Errorf("without a key: %v", err)
	}
}

// TestKeys_EveryBit: no bit of a message can be changed.
func TestKeys_EveryBit(t *testing.T) {
	now := time.Now()
	signer, keys := newSigner(t)
	token, err := signer.Handover(Claims{Party: "shop", User: "Ada", Login: "login", State: "state"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range token {
		for bit := range 7 {
			changed := token[:i] + string(rune(token[i]^1<<bit)) + token[i+1:]
			if _, err := keys.Handover(changed, now); !errors.Is(err, ErrRefused) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
	for _, changed := range []string{"", ".", token + ".", token + "=", "." + token, token + token, strings.Repeat("A", maxMessage+1)} {
		if _, err := keys.Handover(changed, now); !errors.Is(err, ErrRefused) {
			t.Errorf("%.20q: %v", changed, err)
		}
	}
}

func TestParse_SaysNothingOfTheKey(t *testing.T) {
	for _, bad := range []string{"", "hunter2", base64.StdEncoding.EncodeToString([]byte("hunter2"))} {
		_, err1 := NewSigner(bad)
		_, err2 := ParseKeys(bad)
		if err := errors.Join(err1, err2); err1 == nil || err2 == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestPending: a state is found once, in the session that began it, in time, and
// among as many as a visitor has tabs for.
func TestPending(t *testing.T) {
	now := time.Now()
	s := session.From(sessiontest.Context(t, nil))
	var states []string
	for i := range maxPending + 2 {
		state, err := begin(s, "/shop/"+strings.Repeat("x", i), now)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, state)
	}
	for i, state := range states {
		to, err := take(s, state, now)
		if gone := i < 2; gone != errors.Is(err, ErrRefused) || !gone && to != "/shop/"+strings.Repeat("x", i) {
			t.Errorf("state %d: %q, %v", i, to, err)
		}
		if _, err := take(s, state, now); !errors.Is(err, ErrRefused) {
			t.Errorf("state %d once more: %v", i, err)
		}
	}
	state, err := begin(s, "/shop/", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(s, "", now); !errors.Is(err, ErrRefused) {
		t.Errorf("no state: %v", err)
	}
	if _, err := take(s, state, now.Add(patience)); !errors.Is(err, ErrRefused) {
		t.Errorf("too late: %v", err)
	}
}

// TestPending_Exclusive: in another mode two could take one state.
func TestPending_Exclusive(t *testing.T) {
	sessions, err := session.New(memstore.New(), session.Config{})
	if err != nil {
		t.Fatal(err)
	}
	called := false
	handler := httpsession.New(sessions)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = true
		s, err := httpsession.Acquire(r, session.Concurrent)
		if err != nil {
			t.Error(err)
			return
		}
		state, err := begin(s, "/", time.Now())
		if err != nil {
			t.Error(err)
		}
		if _, err := take(s, state, time.Now()); err == nil || errors.Is(err, ErrRefused) {
			t.Errorf("in mode Concurrent: %v, want an error of the program", err)
		}
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if err := sessions.Close(t.Context()); err != nil || !called {
		t.Error(called, err)
	}
}

func TestLocalPath(t *testing.T) {
	for to, ok := range map[string]bool{
		"/shop/": true, "/shop/cart": true, "/shop/cart/": true, "/shop/cart?a=//b#c": true, "/shop/a%20b": true,
		"": false, "/": false, "/shop": false, "/shopping/": false, "shop/": false, "/account/": false,
		"//shop/": false, "/shop//x": false, "/shop/../": false, "/shop/..": false, "/shop/./x": false, "/shop/%2e%2e/x": false,
		`/shop/\x`: false, "/shop/\tx": false, "/shop/\nx": false, "/shop/%2fx": false, "http:/shop/": false, "/shop/\x00": false,
	} {
		if got := LocalPath(to, "/shop/"); got != ok {
			t.Errorf("%q: %t", to, got)
		}
	}
	for to, ok := range map[string]bool{"/": true, "/x": true, "//": false, "//x": false, `/\x`: false, "///": false, "/.": false} {
		if got := LocalPath(to, "/"); got != ok {
			t.Errorf("%q at /: %t", to, got)
		}
	}
}

// FuzzLocalPath: what is accepted leads nowhere else, as browsers read it: they
// drop tabs and line breaks, and take a backslash for a slash.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/shop/", "//evil", `/\evil`, "/\t/evil", "/shop/..//evil", "/shop/%2e%2e/", "https:evil"} {
		f.Add(s)
	}
	base := &url.URL{Scheme: "http", Host: "here", Path: "/shop/login"}
	f.Fuzz(func(t *testing.T, to string) {
		if !LocalPath(to, "/shop/") {
			return
		}
		read := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(to)
		u, err := base.Parse(read)
		if err != nil || u.Scheme != "http" || u.Host != "here" || !strings.HasPrefix(path.Clean(u.Path)+"/", "/shop/") {
			t.Errorf("%q leads to %v, %v", to, u, err)
		}
	})
}
