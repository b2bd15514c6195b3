package shop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

func TestCart(t *testing.T) {
	var c Cart
	for _, sku := range []string{"mug", "lamp", "mug"} {
		if err := c.Add(sku); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(c), "{[{mug 2} {lamp 1}]}"; got != want || c.Count() != 3 {
		t.Errorf("cart is %s with %d, want %s with 3", got, c.Count(), want)
	}
	if !c.Remove("mug") || c.Remove("mug") || c.Count() != 1 {
		t.Errorf("after the removal the cart is %v", c)
	}
	for c.Count() < maxQuantity {
		if err := c.Add("lamp"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Add("lamp"); !errors.Is(err, errCartFull) || c.Count() != maxQuantity {
		t.Errorf("one too many: %v, and %d in the cart", err, c.Count())
	}
}

func TestCentsString(t *testing.T) {
	for c, want := range map[Cents]string{0: "€0.00", 5: "€0.05", 180: "€1.80", 123456: "€1234.56"} {
		if got := c.String(); got != want {
			t.Errorf("Cents(%d) is %q, want %q", int(c), got, want)
		}
	}
}

func TestParseMode(t *testing.T) {
	for value, want := range map[string]session.Mode{
		"exclusive": session.Exclusive, "concurrent": session.Concurrent,
		"readonly": session.ReadOnly, "snapshot": session.Snapshot,
	} {
		if got, err := ParseMode(value); got != want || err != nil {
			t.Errorf("ParseMode(%q) is %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "Exclusive", "0"} {
		if _, err := ParseMode(value); !errors.Is(err, ErrMode) {
			t.Errorf("ParseMode(%q): %v, want ErrMode", value, err)
		}
	}
}

func TestNewRefusesANegativeDelay(t *testing.T) {
	if _, err := New(Config{Delay: -time.Second}); err == nil || !strings.Contains(err.Error(), "Delay") {
		t.Errorf("New: %v, want an error that names Delay", err)
	}
}

// Every product has its picture, or its place on the shelf stays empty.
func TestPictures(t *testing.T) {
	icons, err := static.ReadFile("static/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range catalog() {
		if !strings.Contains(string(icons), `<symbol id="`+p.SKU+`"`) {
			t.Errorf("static/icons.svg has no picture of %s", p.SKU)
		}
	}
}

func TestErrorSaysWhatItMeansForTheVisitor(t *testing.T) {
	sh, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err    error
		status int
		says   string
		retry  bool
	}{
		{session.ErrQueueFull, http.StatusTooManyRequests, "waiting already", true},
		{session.ErrAcquireTimeout, http.StatusServiceUnavailable, "busy", true},
		{session.ErrRenewed, http.StatusConflict, "logged in meanwhile", false},
		{session.ErrLockLost, http.StatusConflict, "came first", false},
		{session.ErrTooLarge, http.StatusRequestEntityTooLarge, "more than a session holds", false},
		{errors.New("secret <detail>"), http.StatusInternalServerError, "Something went wrong", false},
		{context.Canceled, 499, "went wrong", false},
		{ErrNotFound, http.StatusNotFound, "no such page", false},
		{StatusError(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed, "cannot be done", false},
	} {
		res := sh.Error(fmt.Errorf("wrapped: %w", c.err))
		if res.Status != c.status || !strings.Contains(string(res.Body), c.says) || strings.Contains(string(res.Body), "secret") {
			t.Errorf("%v: status %d and page:\n%s", c.err, res.Status, res.Body)
		}
		if (res.Header["Retry-After"] != "") != c.retry {
			t.Errorf("%v: Retry-After is %q", c.err, res.Header["Retry-After"])
		}
	}
}

// What net/http's own protection says of a request, CheckOrigin must say too.
func TestCheckOriginIsNetHTTPs(t *testing.T) {
	for _, c := range []struct {
		method, site, origin string
		allowed              bool
	}{
		{"POST", "", "", true}, // no browser
		{"POST", "same-origin", "", true},
		{"POST", "none", "", true},
		{"POST", "same-site", "", false},
		{"POST", "cross-site", "", false},
		{"POST", "", "https://shop.example", true},
		{"POST", "", "https://elsewhere.example", false},
		{"POST", "", "null", false},
		{"GET", "cross-site", "https://elsewhere.example", true},
	} {
		r := httptest.NewRequest(c.method, "https://shop.example/order", nil)
		r.Header.Set("Sec-Fetch-Site", c.site)
		r.Header.Set("Origin", c.origin)
		if want := http.NewCrossOriginProtection().Check(r) == nil; want != c.allowed {
			t.Fatalf("%+v: net/http allows it: %t", c, want)
		}
		if err := CheckOrigin(r.Method, r.Host, r.Header.Get); (err == nil) != c.allowed || err != nil && !errors.Is(err, ErrOtherSite) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// ParseForm reads what ReadForm reads, and refuses what it refuses.
func TestParseFormIsReadForm(t *testing.T) {
	for _, c := range []struct{ query, body string }{
		{"", ""},
		{"mode=snapshot", ""},
		{"mode=snapshot", "mode=exclusive&name=a+b%20c"},
		{"mode=snapshot", "mode="},
		{"", "mode=%zz"},
		{"mode=%zz", ""},
		{"", "mode=a;name=b"},
		{"", "name=" + strings.Repeat("x", MaxForm)},
		{"", "name=" + strings.Repeat("x", MaxForm-len("name="))},
	} {
		r := httptest.NewRequest("POST", "/?"+c.query, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		want, wantErr := ReadForm(httptest.NewRecorder(), r)
		got, gotErr := ParseForm([]byte(c.query), []byte(c.body))
		if !errors.Is(gotErr, wantErr) {
			t.Errorf("%q, %.20q: %v, want %v", c.query, c.body, gotErr, wantErr)
		}
		if wantErr != nil || gotErr != nil {
			continue
		}
		for _, name := range []string{"mode", "name", "nothing"} {
			if got(name) != want(name) {
				t.Errorf("%q, %.20q: %s is %q, want %q", c.query, c.body, name, got(name), want(name))
			}
		}
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(session.ErrLockLost)
	if err := pause(ctx, time.Hour); !errors.Is(err, session.ErrLockLost) {
		t.Errorf("pause: %v, want the reason why its context ended", err)
	}
	if err := pause(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("pause: %v", err)
	}
}
