package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

type cart struct {
	Items []string
	Paid  bool
}

var (
	cartKey = session.NewKey[cart]("cart")
	userKey = session.NewKey[string]("user")
)

// checkOut is what is to be tested: it needs a session and no HTTP.
func checkOut(ctx context.Context) (string, error) {
	s, err := session.Acquire(ctx)
	if err != nil {
		return "", err
	}
	user, err := userKey.Get(s)
	if err != nil {
		return "", err
	}
	err = cartKey.Update(s, func(c cart) cart {
		c.Paid = true
		return c
	})
	return user + " has checked out", err
}

func ExampleContext() {
	var t testing.TB = new(exampleTB) // in a test, its *testing.T

	ctx := sessiontest.Context(t, map[string]any{
		"user": "ann",
		"cart": cart{Items: []string{"tea", "cups"}},
	})
	text, err := checkOut(ctx)
	fmt.Println(text, err)

	c, err := cartKey.Get(session.From(ctx))
	fmt.Println(c.Items, c.Paid, err)
	// Output:
	// ann has checked out <nil>
	// [tea cups] true <nil>
}

// exampleTB stands for the *testing.T that an example does not have.
type exampleTB struct{ testing.TB }

func (*exampleTB) Helper()                  {}
func (*exampleTB) Cleanup(func())           {}
func (*exampleTB) Context() context.Context { return context.Background() }

func TestContext(t *testing.T) {
	ctx := sessiontest.Context(t, map[string]any{"cart": cart{Items: []string{"tea"}}, "user": "ann"})
	s := session.From(ctx)
	if s == nil || s.Mode() != session.Exclusive || s.IsNew() || s.Len() != 2 {
		t.Fatalf("the session is %+v, want one of an earlier request, Exclusive, with 2 values", s)
	}
	if again, err := session.Acquire(ctx); again != s || err != nil {
		t.Errorf("Acquire returns another session, or %v", err)
	}
	c, err := cartKey.Get(s)
	if err != nil || len(c.Items) != 1 || c.Items[0] != "tea" {
		t.Errorf("the cart is %+v, %v", c, err)
	}
	if err := userKey.Set(s, "bob"); err != nil {
		t.Error(err)
	}
	if err := s.Save(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Renew(); err != nil {
		t.Error(err)
	}
}

func TestContext_WithoutValues(t *testing.T) {
	s := session.From(sessiontest.Context(t, nil))
	if s == nil || !s.IsNew() || s.Len() != 0 {
		t.Fatalf("the session is %+v, want a new one", s)
	}
	if err := userKey.Set(s, "ann"); err != nil {
		t.Error(err)
	}
}

func TestContext_EndsWithTheTest(t *testing.T) {
	contexts, sessions := make(chan context.Context, 1), make(chan *session.Session, 1)
	t.Run("test", func(t *testing.T) {
		ctx := sessiontest.Context(t, map[string]any{"user": "ann"})
		contexts <- ctx
		sessions <- session.From(ctx)
	})
	ctx, s := <-contexts, <-sessions
	if err := userKey.Set(s, "late"); !errors.Is(err, session.ErrReleased) {
		t.Errorf("Set after the test: %v, want %v", err, session.ErrReleased)
	}
	if _, err := session.Acquire(ctx); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("Acquire after the test: %v, want %v", err, session.ErrNoSession)
	}
	if ctx.Err() == nil {
		t.Error("the context goes on after the test")
	}
}

// fataler is a testing.TB that remembers how a test ended.
type fataler struct {
	testing.TB
	fatal string
}

func (f *fataler) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
	f.SkipNow()
}

func TestContext_RefusesWhatCannotBeStored(t *testing.T) {
	f := new(fataler)
	t.Run("test", func(t *testing.T) {
		f.TB = t
		sessiontest.Context(f, map[string]any{"ratio": math.Inf(1)})
	})
	if !strings.Contains(f.fatal, `"ratio"`) {
		t.Errorf("a value that cannot be stored: %q, want an end that names its key", f.fatal)
	}
}
