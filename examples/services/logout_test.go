package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/examples/services/internal/handover"
	"github.com/sessionstate/sessionstate/examples/services/internal/site"
)

// everywhere: all browsers, all services, and a request that is under way.
func everywhere(t *testing.T, w *world) {
	home, phone, bob := w.browser(t), w.browser(t), w.browser(t)
	for _, b := range []*browser{home, phone} {
		b.want(b.logsIn("/shop/", "", w.user("Ada 7")), http.StatusOK)
		b.want(b.logsIn("/", "", w.user("Ada 7")), http.StatusOK)
	}
	bob.want(bob.logsIn("/shop/", "", w.user("Bob 7")), http.StatusOK)
	home.want(home.get("/account/"), http.StatusOK, "This browser", "Another browser")
	phone.want(phone.post("/shop/cart/add", "sku", "lamp"), http.StatusSeeOther)
	phone.want(phone.get("/shop/lab"), http.StatusOK)

	update := make(chan reply, 1)
	go func() { update <- phone.post("/shop/lab/update", "mode", "exclusive", "slow", "1") }() // ends with its answer
	w.working(t, phone)
	// The cookie of before, because the refusal below may take it away.
	other := w.browser(t)
	copyCookie(t, phone, other, site.Shop)

	r := home.post("/account/logout-everywhere")
	home.want(home.follow(r, ""), http.StatusOK, "You are logged out", "gone from the servers")
	if strings.Contains(r.location, "untold") {
		t.Errorf("services could not be told: %s", r.location)
	}
	if w.end != nil {
		go w.end() // unless the update has learnt of it by then
	}
	if late := await(t, "the update's answer", update); late.status != http.StatusConflict {
		t.Errorf("the update under way gets %d, want 409:\n%s", late.status, late.body)
	}
	for name, b := range map[string]*browser{"home": home, "phone": phone} {
		for _, service := range []string{"/shop/", "/", "/account/"} {
			if b.knows(service, w.user("Ada 7")) {
				t.Errorf("%s is still logged in at %s", name, service)
			}
		}
	}
	if other.want(other.get("/shop/cart"), http.StatusOK, "It is empty."); other.knows("/shop/", w.user("Ada 7")) {
		t.Error("the update under way has brought the session back")
	}
	if !bob.knows("/shop/", w.user("Bob 7")) || !bob.knows("/account/", w.user("Bob 7")) {
		t.Error("another user was logged out")
	}
}

// oneBrowser: a login that ends takes with it what came of it and no more.
func oneBrowser(t *testing.T, w *world) {
	home, phone, mallory := w.browser(t), w.browser(t), w.browser(t)
	for _, b := range []*browser{home, phone} {
		b.want(b.logsIn("/shop/", "", w.user("Ada 8")), http.StatusOK)
		b.want(b.logsIn("/", "", w.user("Ada 8")), http.StatusOK)
	}
	mallory.want(mallory.logsIn("/shop/", "", w.user("Mallory 8")), http.StatusOK)

	page := home.get("/account/")
	_, after, found := strings.Cut(page.body, `name="login" value="`)
	if !found || strings.Contains(after, `name="login" value="`) {
		t.Fatalf("the page has not one other browser:\n%s", page.body)
	}
	login, _, _ := strings.Cut(after, `"`)
	mallory.want(mallory.post("/account/devices/end", "login", login), http.StatusNotFound)
	if !phone.knows("/shop/", w.user("Ada 8")) {
		t.Fatal("somebody else has logged a user out")
	}
	home.want(home.post("/account/devices/end", "login", login), http.StatusSeeOther)
	for _, service := range []string{"/shop/", "/", "/account/"} {
		if phone.knows(service, w.user("Ada 8")) {
			t.Errorf("the other browser is still logged in at %s", service)
		}
		if !home.knows(service, w.user("Ada 8")) {
			t.Errorf("this browser was logged out of %s", service)
		}
	}
	home.want(home.follow(home.post("/account/logout"), ""), http.StatusOK, "You are logged out")
	for _, service := range []string{"/shop/", "/", "/account/"} {
		if home.knows(service, w.user("Ada 8")) {
			t.Errorf("this browser is still logged in at %s", service)
		}
	}
	if home.cookie(site.Account) != "" {
		t.Error("the logout has left account's cookie")
	}
}

// overtaken: a token that was signed before the logout is worth nothing after it.
func overtaken(t *testing.T, w *world) {
	b := w.browser(t)
	token := b.toFinish("/shop/", "", w.user("Ada 9")).location
	b.want(b.post("/account/logout-everywhere"), http.StatusSeeOther)
	b.want(b.get(token), http.StatusForbidden, "Please log in again")
	if b.knows("/shop/", w.user("Ada 9")) {
		t.Error("the visitor is logged in with a login that has ended")
	}
}

// TestServices_LoginDuringLogout: a token that comes between the word that the
// shop gets and the end of the logout is worth nothing either.
func TestServices_LoginDuringLogout(t *testing.T) {
	for _, logout := range []string{"/account/logout", "/account/logout-everywhere"} {
		t.Run(logout, func(t *testing.T) {
			t.Parallel()
			w := inProcess(t)
			b := w.browser(t)
			token := b.toFinish("/shop/", "", w.user("Ada")).location
			late := make(chan reply, 1)
			w.told(func() { late <- b.get(token) })
			b.want(b.post(logout), http.StatusSeeOther)
			b.want(await(t, "the login's answer", late), http.StatusForbidden)
			if b.knows("/shop/", w.user("Ada")) {
				t.Error("a login has overtaken the logout")
			}
		})
	}
}

// untold: what a service does not hear at once it hears later.
func untold(t *testing.T, w *world) {
	if w.refuse == nil {
		t.Skip("this world's shop does as it is told")
	}
	b := w.browser(t)
	b.want(b.logsIn("/shop/", "", w.user("Ada 10")), http.StatusOK)
	w.refuse(true)
	r := b.post("/account/logout")
	b.want(b.follow(r, ""), http.StatusOK, "You are logged out", "The service shop does not answer")
	if !b.knows("/shop/", w.user("Ada 10")) {
		t.Error("the shop has heard of a logout that it refused to hear of")
	}
	w.refuse(false)
	until(t, "the shop has heard of the logout", func() bool { return !b.knows("/shop/", w.user("Ada 10")) })

	page := b.get("/account/login?left=1&untold=nobody&untold=%3Cb%3E")
	b.want(page, http.StatusOK)
	if strings.Contains(page.body, "nobody") || strings.Contains(page.body, "does not answer") {
		t.Error("the page says of services what its address says")
	}
}

// backchannel: services listen to account and to nobody else, and browsers do
// not get there through the gateway.
func backchannel(t *testing.T, w *world) {
	b := w.browser(t)
	b.want(b.logsIn("/shop/", "", w.user("Ada 11")), http.StatusOK)
	b.want(b.logsIn("/", "", w.user("Ada 11")), http.StatusOK)
	page := b.toFinish("/shop/", "", w.user("Ada 11")).location
	keys, err := handover.ParseKeys(w.signer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	claims, err := keys.Handover(strings.TrimPrefix(page, "/shop/login/finish?token="), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := handover.NewSigner(handover.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		signer  *handover.Signer
		party   string
		to      string
		when    time.Time
		want    int
		stillIn bool
	}{
		{"forged", stranger, site.Shop, site.Shop, time.Now(), http.StatusForbidden, true},
		{"old", w.signer, site.Shop, site.Shop, time.Now().Add(-time.Hour), http.StatusForbidden, true},
		{"for another", w.signer, site.Gateway, site.Shop, time.Now(), http.StatusForbidden, true},
		{"for another, too", w.signer, site.Shop, site.Gateway, time.Now(), http.StatusForbidden, true},
		{"good", w.signer, site.Shop, site.Shop, time.Now(), http.StatusNoContent, false},
		{"good, again", w.signer, site.Shop, site.Shop, time.Now(), http.StatusNoContent, false},
	} {
		message, err := c.signer.Logout(handover.Logout{Party: c.party, Logins: []string{claims.Login}}, c.when)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(w.backs[c.to]+"/backchannel/logout", "text/plain", strings.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.want || b.knows("/shop/", w.user("Ada 11")) != c.stillIn || !b.knows("/", w.user("Ada 11")) {
			t.Errorf("%s: status %d, want %d; is the user still logged in at the shop? want %t", c.name, res.StatusCode, c.want, c.stillIn)
		}
	}
	for _, path := range []string{
		"/shop/../backchannel/logout", "/shop/%2e%2e/backchannel/logout", "/shop/..%2fbackchannel/logout", "/shop//../backchannel/logout",
		"/account/../backchannel/confirm", `/account/..%5cbackchannel/confirm`, "/account/%2e%2e/backchannel/confirm", "/account//x",
	} {
		if r := rawPost(t, w.url, path); r != http.StatusBadRequest {
			t.Errorf("%s has status %d, want 400", path, r)
		}
	}
	for _, path := range []string{"/backchannel/confirm", "/shop/backchannel/logout", "/account/backchannel/confirm", "/shop/readyz"} {
		if r := rawPost(t, w.url, path); r != http.StatusNotFound {
			t.Errorf("%s has status %d, want 404", path, r)
		}
	}
}
