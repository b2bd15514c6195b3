package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// TestServices walks through the services in this process, under the race
// detector if the test is.
func TestServices(t *testing.T) { scenarios(t, inProcess(t)) }

// scenarios are what browsers may do to a world. Each has users of its own.
func scenarios(t *testing.T, w *world) {
	for _, s := range []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"one login for all services", oneLogin},
		{"a token is used once", usedOnce},
		{"tokens that are refused", refused},
		{"somebody else's login", loginCSRF},
		{"ways back that lead elsewhere", openRedirects},
		{"another user in the same browser", anotherUser},
		{"overlapping updates of a cart", overlap},
		{"logged out everywhere", everywhere},
		{"logged out in one browser", oneBrowser},
		{"a logout overtakes a login", overtaken},
		{"a logout that could not be told", untold},
		{"messages between services", backchannel},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, w) })
	}
}

func oneLogin(t *testing.T, w *world) {
	ada := w.browser(t)
	ada.want(ada.get("/shop/"), http.StatusOK, `action="/shop/login"`)
	ada.want(ada.post("/shop/cart/add", "sku", "mug"), http.StatusSeeOther)
	before := ada.cookie(site.Shop)

	page := ada.logsIn("/shop/", "/shop/cart", w.user("Ada 1"))
	ada.want(page, http.StatusOK, "Your cart", "Mug", w.user("Ada 1"))
	if after := ada.cookie(site.Shop); after == before || after == "" {
		t.Error("the login has not changed the ID")
	}
	if ada.knows("/", w.user("Ada 1")) {
		t.Error("the gateway knows somebody who has not logged in there")
	}
	// The other party asks account, which knows the user already.
	r := ada.follow(ada.post("/login"), "/account/login")
	ada.want(r, http.StatusOK, ">"+w.user("Ada 1")+"<")
	if !ada.knows("/account/", w.user("Ada 1")) {
		t.Error("account does not know the user")
	}
	for _, name := range []string{site.Gateway, site.Account, site.Shop} {
		if ada.cookie(name) == "" {
			t.Errorf("there is no cookie of %s", name)
		}
	}

	// To leave the shop alone leaves the others.
	ada.want(ada.post("/shop/logout"), http.StatusSeeOther)
	if ada.knows("/shop/", w.user("Ada 1")) || !ada.knows("/", w.user("Ada 1")) {
		t.Error("the logout from the shop is not one from the shop alone")
	}
}

func usedOnce(t *testing.T, w *world) {
	eve, bob := w.browser(t), w.browser(t)
	used := eve.toFinish("/shop/", "", w.user("Eve 2")).location
	eve.want(eve.get(used), http.StatusSeeOther)
	eve.want(eve.get(used), http.StatusForbidden, "was used already")
	if !eve.knows("/shop/", w.user("Eve 2")) {
		t.Error("the second use has ended the session of the first")
	}
	bob.want(bob.get(used), http.StatusForbidden)
	bob.want(bob.post("/shop/login"), http.StatusSeeOther) // with a login of his own under way
	bob.want(bob.get(used), http.StatusForbidden)
	if bob.knows("/shop/", w.user("Eve 2")) {
		t.Error("another browser is logged in with a used token")
	}

	// Many at once, with the cookie of before: one is let in. The others find
	// the state gone, or the ID renewed.
	eve.want(eve.post("/shop/logout"), http.StatusSeeOther)
	again := eve.toFinish("/shop/", "", w.user("Eve 2")).location
	old := &http.Client{Timeout: patience, CheckRedirect: eve.client.CheckRedirect, Transport: eve.client.Transport}
	cookie := &http.Cookie{Name: site.Shop, Value: eve.cookie(site.Shop)}
	var mu sync.Mutex
	var got []int // under mu
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, eve.url+again, nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.AddCookie(cookie)
			res, err := old.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			got = append(got, res.StatusCode)
		})
	}
	wg.Wait()
	slices.Sort(got)
	if n, _ := slices.BinarySearch(got, http.StatusForbidden); n != 1 || got[0] != http.StatusSeeOther {
		t.Errorf("eight at once get %v, want 303 once", got)
	}
}

// refused: everything about a token has to be right. Each case begins a login
// of its own and changes one thing of a token that would be accepted.
func refused(t *testing.T, w *world) {
	mallory := w.browser(t)
	good := func() handover.Claims {
		r := mallory.follow(mallory.post("/shop/login"), "/shop/login/finish")
		if r.status == http.StatusOK {
			r = mallory.follow(mallory.fills(r, "name", w.user("Mallory 3")), "/shop/login/finish")
		}
		u, err := url.Parse(r.location)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := handover.ParseKeys(w.signer.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		claims, err := keys.Handover(u.Query().Get("token"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	stranger, err := handover.NewSigner(handover.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now
	for _, c := range []struct {
		name  string
		token func(handover.Claims) (string, error)
	}{
		{"forged", func(c handover.Claims) (string, error) { return stranger.Handover(c, now()) }},
		{"expired", func(c handover.Claims) (string, error) { return w.signer.Handover(c, now().Add(-2*time.Minute)) }},
		{"good for too long", func(c handover.Claims) (string, error) { return w.signer.Handover(c, now().Add(time.Hour)) }},
		{"for another party", func(c handover.Claims) (string, error) {
			c.Party = site.Gateway
			return w.signer.Handover(c, now())
		}},
		{"of another state", func(c handover.Claims) (string, error) {
			c.State = strings.Repeat("A", len(c.State))
			return w.signer.Handover(c, now())
		}},
		{"of another user's login", func(c handover.Claims) (string, error) {
			c.User = w.user("Ada 3")
			return w.signer.Handover(c, now())
		}},
		{"of a login that is none", func(c handover.Claims) (string, error) {
			c.Login = strings.Repeat("0", len(c.Login))
			return w.signer.Handover(c, now())
		}},
		{"a message of another kind", func(c handover.Claims) (string, error) {
			return w.signer.Logout(handover.Logout{Party: c.Party, Logins: []string{c.Login}}, now())
		}},
		{"changed", func(c handover.Claims) (string, error) {
			token, err := w.signer.Handover(c, now())
			other, err2 := w.signer.Handover(handover.Claims{Party: c.Party, User: w.user("Ada 3"), Login: c.Login, State: c.State}, now())
			if err == nil {
				err = err2
			}
			message, _, _ := strings.Cut(other, ".")
			_, signature, _ := strings.Cut(token, ".")
			return message + "." + signature, err
		}},
		{"garbage", func(handover.Claims) (string, error) { return "%00.%ff", nil }},
		{"none", func(handover.Claims) (string, error) { return "", nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := c.token(good())
			if err != nil {
				t.Fatal(err)
			}
			r := mallory.get("/shop/login/finish?" + url.Values{"token": {token}}.Encode())
			mallory.want(r, http.StatusForbidden)
			if mallory.knows("/shop/", w.user("Mallory 3")) || mallory.knows("/shop/", w.user("Ada 3")) {
				t.Error("the visitor is logged in")
			}
		})
	}
	// The same in all respects, and nothing changed.
	token, err := w.signer.Handover(good(), now())
	if err != nil {
		t.Fatal(err)
	}
	mallory.want(mallory.get("/shop/login/finish?"+url.Values{"token": {token}}.Encode()), http.StatusSeeOther)
	if !mallory.knows("/shop/", w.user("Mallory 3")) {
		t.Error("a token with nothing wrong is refused, so the others prove nothing")
	}
}

// loginCSRF: a victim cannot be made to use the shop as somebody else.
func loginCSRF(t *testing.T, w *world) {
	mallory, victim := w.browser(t), w.browser(t)
	planted := mallory.toFinish("/shop/", "", w.user("Mallory 4")).location
	victim.want(victim.get("/shop/"), http.StatusOK)
	victim.want(victim.get(planted), http.StatusForbidden)
	victim.want(victim.post("/shop/login"), http.StatusSeeOther)
	victim.want(victim.get(planted), http.StatusForbidden)
	if victim.knows("/shop/", w.user("Mallory 4")) {
		t.Error("the victim is logged in as the attacker")
	}
	mallory.want(mallory.get(planted), http.StatusSeeOther) // it was good, where it was begun

	for _, path := range []string{"/account/login", "/shop/login", "/login", "/shop/cart/add", "/account/logout-everywhere"} {
		form := values("name", w.user("Mallory 4"), "sku", "mug")
		victim.want(victim.do(http.MethodPost, path, form, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), http.StatusForbidden)
		victim.want(victim.do(http.MethodPost, path, form, "Sec-Fetch-Site", "", "Origin", "https://evil.example"), http.StatusForbidden)
	}
}

func openRedirects(t *testing.T, w *world) {
	b := w.browser(t)
	for _, home := range []string{"/shop/", "/"} {
		for _, to := range []string{
			"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "/\t/evil.example", "javascript:alert(1)",
			"/shop/..//evil.example", "/shop//evil.example", "/shop/%2e%2e//evil.example", "evil", home + "../..//evil.example", "http:/shop/",
		} {
			b.want(b.post(home+"login", "to", to), http.StatusBadRequest)
		}
	}
	b.want(b.post("/shop/login", "to", "/account/"), http.StatusBadRequest) // another service's
	for _, query := range []string{
		"for=evil&state=AAAAAAAAAAAAAAAAAAAAAAAAAA", "for=https://evil.example/&state=AAAAAAAAAAAAAAAAAAAAAAAAAA",
		"for=shop&state=short", "for=shop", "state=AAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		b.want(b.get("/account/handover?"+query), http.StatusBadRequest)
		b.want(b.get("/account/login?"+query), http.StatusBadRequest)
	}
	// What the address adds is of no effect: the way back is in the session.
	r := b.toFinish("/shop/", "/shop/lab", w.user("Ada 5"))
	b.want(b.get(r.location+"&to=//evil.example"), http.StatusSeeOther)
	if page := b.get("/shop/lab"); !strings.Contains(page.body, w.user("Ada 5")) {
		t.Error("the user is not logged in")
	}
}

// anotherUser: what one has left in the browser's session is not the next one's.
func anotherUser(t *testing.T, w *world) {
	b := w.browser(t)
	b.want(b.logsIn("/shop/", "", w.user("Ada 6")), http.StatusOK, w.user("Ada 6"))
	b.want(b.post("/shop/cart/add", "sku", "lamp"), http.StatusSeeOther)
	// At account somebody else takes over without the shop's knowledge, as if
	// the word about the logout were still under way.
	other := w.browser(t)
	other.want(other.follow(other.post("/account/login", "name", w.user("Bob 6")), ""), http.StatusOK)
	copyCookie(t, other, b, site.Account)
	b.want(b.logsIn("/shop/", "/shop/cart", w.user("Bob 6")), http.StatusOK, w.user("Bob 6"), "It is empty.")

	// Account does not let one login become another's.
	b.want(b.post("/account/login", "name", w.user("Carol 6")), http.StatusConflict, "log out first")
	if !b.knows("/account/", w.user("Bob 6")) {
		t.Error("account has changed the user of a login")
	}
}

func copyCookie(t *testing.T, from, to *browser, service string) {
	t.Helper()
	u, err := url.Parse(to.url)
	if err != nil {
		t.Fatal(err)
	}
	to.client.Jar.SetCookies(u, []*http.Cookie{{Name: service, Value: from.cookie(service), Path: "/"}})
}

func overlap(t *testing.T, w *world) {
	b := w.browser(t)
	b.want(b.get("/shop/"), http.StatusOK)
	const n = 30
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if r := b.post("/shop/cart/add", "sku", "pencil"); r.status != http.StatusSeeOther {
				t.Errorf("status %d", r.status)
			}
		})
	}
	wg.Wait()
	b.want(b.get("/shop/cart"), http.StatusOK, "30 × €1.80")
}
