package shoptest

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// Run walks through a shop that runs on one framework.
func Run(t *testing.T, build serve.Build) {
	for _, walk := range []struct {
		name string
		walk func(*testing.T, serve.Build)
	}{
		{"visits are counted", visits},
		{"a flash message is shown once", flash},
		{"the cart", cart},
		{"the login renews the ID", login},
		{"the logout ends the session", logout},
		{"names are escaped", escaping},
		{"bad input is the visitor's fault", badInput},
		{"forms of other sites are refused", crossOrigin},
		{"every reply has the security headers", securityHeaders},
		{"what needs no session begins none", noSession},
		{"a store that is down", storeDown},
		{"the lab, exclusive", labExclusive},
		{"the lab, concurrent", labConcurrent},
		{"the lab, snapshot", labSnapshot},
		{"the lab, read-only", labReadOnly},
		{"the lab, without a session", labWithoutSession},
	} {
		t.Run(walk.name, func(t *testing.T) {
			t.Parallel()
			walk.walk(t, build)
		})
	}
}

func visits(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	v := st.visitor(t)
	first := v.get("/")
	first.want(t, http.StatusOK, "Your first visit", "House plant", "€16.50")
	cookie := first.header.Get("Set-Cookie")
	for _, attribute := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, attribute) {
			t.Errorf("Set-Cookie is %q, without %s", cookie, attribute)
		}
	}
	v.get("/").want(t, http.StatusOK, "Visit 2 ")
	v.get("/").want(t, http.StatusOK, "Visit 3 ")
	st.visitor(t).get("/").want(t, http.StatusOK, "Your first visit") // somebody else
}

func flash(t *testing.T, build serve.Build) {
	v := open(t, build, session.Config{}).visitor(t)
	v.postAndFollow("/cart/add", "sku", "lamp").want(t, http.StatusOK, "Desk lamp is in your cart.")
	v.get("/").wantNone(t, "is in your cart")
}

func cart(t *testing.T, build serve.Build) {
	v := open(t, build, session.Config{}).visitor(t)
	v.get("/cart").want(t, http.StatusOK, "It is empty")
	v.post("/cart/add", "sku", "mug")
	v.post("/cart/add", "sku", "mug")
	v.post("/cart/add", "sku", "plant")
	v.get("/cart").want(t, http.StatusOK, "2 × €12.00", "€24.00", "House plant", "€40.50")
	v.get("/").want(t, http.StatusOK, `class="count">3<`)

	r := v.postAndFollow("/cart/remove", "sku", "mug")
	r.want(t, http.StatusOK, "€16.50")
	r.wantNone(t, "Mug")
	v.postAndFollow("/cart/remove", "sku", "mug").want(t, http.StatusOK) // a second click

	v.postAndFollow("/order").want(t, http.StatusOK, "Thank you! 1 on the way")
	v.get("/cart").want(t, http.StatusOK, "It is empty")
	v.post("/order").want(t, http.StatusUnprocessableEntity, "The cart is empty")
}

func login(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	v := st.visitor(t)
	v.post("/cart/add", "sku", "pencil")
	v.get("/")
	v.get("/login").want(t, http.StatusOK, `<label for="name">`)
	before := v.cookie()

	page := v.postAndFollow("/login", "name", "  Ada ")
	page.want(t, http.StatusOK, "Welcome, Ada.", `class="name">Ada<`, "Log out", `class="count">1<`, "Visit 2 ")
	if after := v.cookie(); after == before || after == "" {
		t.Errorf("the ID is %q after the login, and was %q before", after, before)
	}

	// Who knew the ID from before is told that it has moved, and gets nothing
	// and no cookie.
	for _, path := range []string{"/", "/cart"} {
		old := st.getWith(t, before, path)
		old.want(t, http.StatusConflict, "logged in meanwhile")
		old.wantNone(t, "Ada", "Pencil")
		if cookie := old.header.Get("Set-Cookie"); cookie != "" {
			t.Errorf("%s: the old ID got a cookie: %s", path, cookie)
		}
	}
	v.get("/").want(t, http.StatusOK, "Ada")
}

func logout(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	v := st.visitor(t)
	v.post("/login", "name", "Ada")
	v.get("/lab").want(t, http.StatusOK)
	id := v.cookie()

	// The logout does not wait for the update that has the session, and the
	// update cannot bring the session back.
	update := v.update("exclusive")
	await(t, "the update", st.gate.entered)
	out := v.post("/logout")
	if out.status != http.StatusSeeOther {
		t.Fatalf("POST /logout: status %d, want 303: %s", out.status, out.body)
	}
	if id := v.cookie(); id != "" {
		t.Error("the browser still has an ID after the logout")
	}
	st.gate.release(1)
	late := await(t, "the update's answer", update)
	late.want(t, http.StatusConflict)
	if cookie := late.header.Get("Set-Cookie"); cookie != "" && !strings.Contains(cookie, "Max-Age=0") {
		t.Errorf("the update that was under way sets a cookie: %s", cookie)
	}

	v.get(out.header.Get("Location")).want(t, http.StatusOK, "You are logged out")
	r := st.getWith(t, id, "/")
	r.want(t, http.StatusOK, "Your first visit")
	r.wantNone(t, "Ada")
}

func escaping(t *testing.T, build serve.Build) {
	v := open(t, build, session.Config{}).visitor(t)
	const name = `<script>alert("1")</script>`
	page := v.postAndFollow("/login", "name", name)
	page.want(t, http.StatusOK, "&lt;script&gt;alert(")
	page.wantNone(t, "<script>alert")
	again := v.post("/login", "name", `"><script>alert(1)</script>`+strings.Repeat("x", 40))
	again.want(t, http.StatusUnprocessableEntity, "at most 40")
	again.wantNone(t, "<script>alert", `value=""><script`)
}

func badInput(t *testing.T, build serve.Build) {
	v := open(t, build, session.Config{}).visitor(t)
	for _, bad := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"no name", "/login", "", 422, "Please enter a name."},
		{"a blank name", "/login", encode("name", " \t "), 422, "Please enter a name."},
		{"a long name", "/login", encode("name", strings.Repeat("é", 41)), 422, "at most 40"},
		{"a name with a line break", "/login", encode("name", "a\r\nb"), 422, "Please enter a name"},
		{"a name that is not UTF-8", "/login", "name=%ff%fe", 422, "Please enter a name"},
		{"an unknown product", "/cart/add", encode("sku", "yacht"), 422, "no such product"},
		{"no product", "/cart/add", "", 422, "no such product"},
		{"an unknown mode", "/lab/update", encode("mode", "wild"), 422, "no such mode"},
		{"no form", "/login", "name=%zz", 400, "could not be read"},
		{"an endless form", "/login", "name=" + strings.Repeat("x", 1<<20), 413, "too long"},
	} {
		r := v.do(v.request("POST", bad.path, bad.body))
		if r.status != bad.status || !strings.Contains(r.body, bad.says) || !strings.Contains(r.body, "</html>") {
			t.Errorf("%s: status %d, want %d and a page that says %q:\n%s", bad.name, r.status, bad.status, bad.says, r.body)
		}
	}
	v.get("/nothing").want(t, http.StatusNotFound, "There is no such page", "</html>")
	if v.cookie() != "" {
		t.Error("bad input began a session")
	}

	for range 99 {
		v.post("/cart/add", "sku", "mug")
	}
	v.post("/cart/add", "sku", "mug").want(t, http.StatusUnprocessableEntity, "The cart is full")
	v.get("/").want(t, http.StatusOK, `class="count">99<`)
}

func crossOrigin(t *testing.T, build serve.Build) {
	v := open(t, build, session.Config{}).visitor(t)
	v.get("/")
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"} {
		r := v.request("POST", "/cart/add", encode("sku", "mug"))
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set(name, value)
		v.do(r).want(t, http.StatusForbidden, "another site")
	}
	v.get("/cart").want(t, http.StatusOK, "It is empty")
}

// inline finds script and style that a Content-Security-Policy without
// unsafe-inline would not run.
var inline = regexp.MustCompile(`(?i)<style|<script[^>]*>[^<]|\s(style|on[a-z]+)\s*=`)

func securityHeaders(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	v := st.visitor(t)
	replies := map[string]reply{
		"a change":        v.post("/cart/add", "sku", "mug"),
		"products":        v.get("/"),
		"cart":            v.get("/cart"),
		"login":           v.get("/login"),
		"a refused login": v.post("/login"),
		"lab":             v.get("/lab"),
		"style":           v.get("/static/style.css"),
		"script":          v.get("/static/lab.js"),
		"no page":         v.get("/nothing"),
		"no file":         v.get("/static/nothing"),
	}
	st.store.down.Store(true)
	replies["the store is down"] = v.get("/")
	for name, r := range replies {
		for header, value := range shop.SecurityHeaders() {
			if got := r.header.Get(header); got != value {
				t.Errorf("%s: %s is %q, want %q", name, header, got, value)
			}
		}
		if strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			if at := inline.FindString(r.body); at != "" {
				t.Errorf("%s: the page has %q, which its own policy forbids", name, at)
			}
		}
	}
	if policy := shop.SecurityHeaders()["Content-Security-Policy"]; strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

func noSession(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	st.store.down.Store(true) // whoever asks it fails
	v := st.visitor(t)
	v.get("/static/style.css").want(t, http.StatusOK, "body")
	v.get("/static/icons.svg").want(t, http.StatusOK, "<svg")
	v.get("/static/lab.js").want(t, http.StatusOK, "fetch(")
	v.get("/nothing").want(t, http.StatusNotFound)
	v.get("/cart").want(t, http.StatusOK, "It is empty") // reads a session that is not there
	v.get("/login").want(t, http.StatusOK)
	if v.cookie() != "" {
		t.Error("reading began a session")
	}
}

func storeDown(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	v := st.visitor(t)
	v.get("/")
	st.store.down.Store(true)
	for _, r := range []reply{v.get("/"), v.get("/cart"), v.post("/cart/add", "sku", "mug")} {
		r.want(t, http.StatusServiceUnavailable, "nothing was saved", "</html>")
		if r.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	st.store.down.Store(false)
	v.get("/").want(t, http.StatusOK, "Visit 2 ")
}
