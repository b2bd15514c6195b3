package shoptest

import (
	"maps"
	"net/http"
	"strings"
)

// play is the script. Each part goes on where the one before has left the
// visitor.
func play(s *script) {
	visit(s)
	overlap(s)
	fail(s)
	replies(s)
	downloads(s)
	routes(s)
	badCookies(s)
	badRequests(s)
	leave(s)
}

// visit fills a cart, and logs in.
func visit(s *script) {
	s.step("reading begins no session", get("/cart"))
	s.step("a first visit", get("/"))
	s.step("a second visit", get("/"))
	s.step("into the cart", post("/cart/add", "sku", "mug"))
	s.step("into the cart again", post("/cart/add", "sku", "mug"))
	s.step("something else into the cart", post("/cart/add", "sku", "plant"))
	s.step("no such product", post("/cart/add", "sku", "yacht"))
	s.step("the flash message", get("/"))
	s.step("the flash message is shown once", get("/"))
	s.step("the cart", get("/cart"))
	s.step("out of the cart", post("/cart/remove", "sku", "plant"))
	s.step("out of the cart again", post("/cart/remove", "sku", "plant"))
	s.step("a form of another site", from("https://elsewhere.example"))
	s.step("a form of another site, with its name", from("https://elsewhere.example", "X-Forwarded-Host: elsewhere.example"))
	s.step("a form of this site", from("http://shop.example"))
	s.step("what it has put into the cart out again", post("/cart/remove", "sku", "lamp"))
	s.step("a login without a name", post("/login", "name", " "))
	s.step("a login with a control character", post("/login", "name", "a\r\nSet-Cookie: b=c"))
	s.step("a form that cannot be read", call{method: "POST", target: "/login", body: "name=%zz", header: formHeader})
	s.step("a login", post("/login", "name", "Ada <3"))
	s.step("the old ID is told to ask again", get("/").with("session=<id1>"))
	s.step("the old ID reads nothing", get("/cart").with("session=<id1>"))
	s.step("a login submitted twice", post("/login", "name", "Ada <3"))
	s.step("the page after the login", get("/"))
	s.step("a persistent cookie", get("/probe/keeps"))
}

// from is a form as a browser sends it that says no more than its page's origin.
func from(origin string, header ...string) call {
	return call{
		method: "POST", target: "/cart/add", body: "sku=lamp",
		header: append(header, "Content-Type: application/x-www-form-urlencoded", "Origin: "+origin),
	}
}

// overlap has requests of one session overlap, in each mode.
func overlap(s *script) {
	s.step("the lab", get("/lab"))
	gate := s.site.gate
	s.together("ten updates one by one, and one too many", 11, post("/lab/update", "mode", "exclusive"), func(answers <-chan reply) []reply {
		await(s.T, "the first update", gate.entered)
		refused := await(s.T, "the refusal", answers)
		gate.release(10)
		return []reply{refused}
	})
	s.step("all of them count", get("/lab/count?mode=readonly"))
	s.idle()
	s.together("ten updates at once", 10, post("/lab/update", "mode", "concurrent"), func(<-chan reply) []reply {
		for range 10 {
			await(s.T, "an update that waits for no other", gate.entered)
		}
		gate.release(10)
		return nil
	})
	s.step("all of these count too", get("/lab/count?mode=snapshot"))
	s.idle()

	update := s.background(post("/lab/update", "mode", "exclusive"))
	await(s.T, "the update", gate.entered)
	during := s.do(get("/lab/count?mode=snapshot"))
	gate.release(1)
	after := await(s.T, "the update", update)
	s.note("a snapshot during an update", []string{"POST /lab/update", "meanwhile GET /lab/count?mode=snapshot"}, map[string][]string{
		"answer": {"the update: " + described(after.body), "the snapshot: " + described(during.body)},
	})
	for _, mode := range []string{"readonly", "snapshot"} {
		gate.release(1)
		s.step("a change in mode "+mode, post("/lab/update", "mode", mode))
	}
	s.step("no such mode", post("/lab/update", "mode", "wild"))
	s.idle()
	s.step("back to zero", post("/lab/reset"))
	s.step("an update without a session", post("/lab/update", "mode", "exclusive").stranger())
}

// fail has handlers fail in every way.
func fail(s *script) {
	s.step("a handler fails after a change", get("/probe/fails"))
	s.step("a handler of a new session fails", get("/probe/fails").stranger())
	s.step("a handler panics", get("/probe/panics"))
	s.step("a handler panics after a change", get("/probe/panics?when=changed"))
	s.step("a handler fails after Save", get("/probe/saves"))
	s.step("a change with a 4xx stays", get("/probe/refuses"))
	s.step("more than a session holds", get("/probe/large"))
	// This one frameworks may do otherwise, so that it needs a session of its own.
	s.step("another visitor", get("/").stranger())
	s.step("a panic when the reply has begun", get("/probe/begins").with("session="+nameOf(len(s.ids)-1)))
	s.site.store.down.Store(true)
	s.step("the store is down", get("/"))
	s.step("the store is down for readers", get("/cart"))
	s.step("a static file needs no store", get("/static/icons.svg"))
	s.site.store.down.Store(false)

	// None of a reply may be seen whose changes are not stored (M12, A2).
	s.site.store.full.Store(true)
	s.step("a change that cannot be stored", post("/cart/add", "sku", "lamp"))
	s.step("a new session that cannot be stored", get("/").stranger())
	s.step("a login that cannot be stored", post("/login", "name", "Eve"))
	s.step("a redirect that cannot be stored", get("/probe/redirect?code=302"))
	s.step("no content that cannot be stored", get("/probe/nothing"))
	s.step("an empty reply that cannot be stored", get("/probe/silent"))
	s.step("an own cookie with what cannot be stored", get("/probe/cookie"))
	s.step("a large download that cannot be stored", get("/probe/download"))
	s.step("a file that cannot be stored", get("/probe/file"))
	s.step("a stream that cannot be stored", get("/probe/stream"))
	s.step("events that cannot be stored", get("/probe/events"))
	s.site.store.full.Store(false)
	s.step("the store is up again", get("/cart"))
}

// replies are the ways to reply without a page.
func replies(s *script) {
	for _, code := range []string{"302", "303", "307"} {
		s.step("a redirect with "+code, get("/probe/redirect?code="+code))
	}
	s.step("no content", get("/probe/nothing"))
	s.step("a reply with an ETag", get("/probe/tagged"))
	s.step("not modified", get("/probe/tagged", `If-None-Match: "probe"`))
	s.step("HEAD of a route for it", call{method: http.MethodHead, target: "/probe/tagged"})
	s.step("HEAD of a page", call{method: http.MethodHead, target: "/cart"})
	s.step("an empty handler", get("/probe/silent"))
	s.step("an own cookie and an own Vary", get("/probe/cookie"))
	s.step("an own cookie of a new session", get("/probe/cookie").stranger())
}

// downloads are replies that begin before their handler ends, and those that
// are not the handler's own.
func downloads(s *script) {
	s.step("a flushed reply", get("/probe/stream"))
	s.step("a flushed reply of a new session", get("/probe/stream").stranger())
	s.step("server-sent events", get("/probe/events"))
	s.step("a large download", get("/probe/download"))
	s.step("a large download of a new session", get("/probe/download").stranger())
	s.step("a file", get("/probe/file"))
	s.step("a part of a file", get("/probe/file", "Range: bytes=10-19"))
	s.step("no such part of a file", get("/probe/file", "Range: bytes=100000-"))
	s.step("HEAD of a file", call{method: http.MethodHead, target: "/probe/file"})
	s.step("a static file", get("/static/style.css"))
	s.step("HEAD of a static file", call{method: http.MethodHead, target: "/static/icons.svg"})
}

// routes asks for what is not there.
func routes(s *script) {
	s.step("no such page", get("/nothing"))
	s.step("no such static file", get("/static/nothing"))
	s.step("out of the static folder", get("/static/../catalog.go"))
	s.step("out of the static folder, encoded", get("/static/%2e%2e/catalog.go"))
	s.step("a slash too many", get("/cart/"))
	s.step("a method that a page does not have", call{method: "DELETE", target: "/cart", header: []string{"Sec-Fetch-Site: same-origin"}})
	s.step("OPTIONS of a page", call{method: "OPTIONS", target: "/cart"})
	s.step("POST to a static file", post("/static/icons.svg"))
}

// badCookies presents what is no ID, or not this visitor's. Whoever presents
// what is not an ID of the store is a new visitor.
func badCookies(s *script) {
	mine := s.cookie
	const forged = "AAAAAAAAAAAAAAAAAAAAAAAA"
	for _, c := range []struct{ title, cookie string }{
		{"a forged ID", "session=" + forged},
		{"an ID too short", "session=AAAA"},
		{"an ID too long", "session=" + mine + "A"},
		{"an ID of wrong characters", "session=AAAAAAAAAAAAAAAAAAAAAAA."},
		{"an empty ID", "session="},
		{"a cookie without a value", "session"},
		{"an oversized ID", "session=" + strings.Repeat("A", 3000)},
		{"an ID under another name", "Session=" + mine},
		{"an ID in quotes", `session="` + mine + `"`},
		{"an ID behind one that is none", "session=x; session=" + mine},
		{"an ID before a forged one", "session=" + mine + "; session=" + forged},
		{"an ID behind a forged one", "session=" + forged + "; session=" + mine},
		{"an ID among others", "a=b; session=" + mine + "; c=d"},
		{"an ID without spaces around it", "a=b;session=" + mine + ";c=d"},
		{"an ID with spaces around it", "a=b;  session=" + mine + " ;c=d"},
		{"an ID behind what is no cookie", "=; ;;=x; ==; session=" + mine},
		{"an ID behind bytes that are no text", "a=\xff\xfe; session=" + mine},
		{"an encoded ID", "session=%41AAAAAAAAAAAAAAAAAAAAAAA"},
	} {
		s.step(c.title, get("/cart").with(c.cookie))
	}
	s.step("a forged ID that writes", get("/").with("session="+forged))
	s.step("an ID in a second header", get("/cart", "Cookie: a=b").with("session="+mine))
	s.step("a header in lower case", call{method: "GET", target: "/cart", bare: true, header: []string{"cookie: session=" + mine}})
	s.step("a header in upper case", call{method: "GET", target: "/cart", bare: true, header: []string{"COOKIE: session=" + mine}})
	s.step("a header without a space", call{method: "GET", target: "/cart", bare: true, header: []string{"Cookie:session=" + mine}})
	s.step("a header with a tab", call{method: "GET", target: "/cart", bare: true, header: []string{"Cookie:\tsession=" + mine + "\t"}})
}

// badRequests sends what no HTTP library would. What a server says when it
// refuses a request before the shop sees it is its own, so that only the status
// and the store count.
func badRequests(s *script) {
	mine := "session=" + s.cookie
	for _, c := range []struct{ title, request string }{
		{"a NUL byte in the cookie", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine + "; a=\x00\r\n\r\n"},
		{"a control character in the cookie", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine + "; a=\x01\r\n\r\n"},
		{"a carriage return in the cookie", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCookie: a=\rb; " + mine + "\r\n\r\n"},
		{"lines without carriage returns", "GET /cart HTTP/1.1\nHost: shop.example\nCookie: " + mine + "\n\n"},
		{"a folded header", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCookie: a=b;\r\n " + mine + "\r\n\r\n"},
		{"a space before the colon", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCookie : " + mine + "\r\n\r\n"},
		{"a space before the header", "GET /cart HTTP/1.1\r\n Cookie: " + mine + "\r\nHost: shop.example\r\n\r\n"},
		{"a header without a colon", "GET /cart HTTP/1.1\r\nCookie\r\nHost: shop.example\r\n\r\n"},
		{"another header's name", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nX-Cookie: " + mine + "\r\n\r\n"},
		{"a header without a name", "GET /cart HTTP/1.1\r\nHost: shop.example\r\n: " + mine + "\r\n\r\n"},
		{"a header name with bytes that are no text", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCook\xffie: " + mine + "\r\n\r\n"},
		{"no host", "GET /cart HTTP/1.1\r\nCookie: " + mine + "\r\n\r\n"},
		{"two hosts", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nHost: elsewhere.example\r\nCookie: " + mine + "\r\n\r\n"},
		{"two lengths", "POST /cart/add HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine +
			"\r\nContent-Length: 7\r\nContent-Length: 3\r\n\r\nsku=mug"},
		{"a negative length", "POST /cart/add HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine + "\r\nContent-Length: -7\r\n\r\nsku=mug"},
		{"a length and chunks", "POST /cart/add HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine +
			"\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n7\r\nsku=mug\r\n0\r\n\r\n"},
		{"an unknown method", "BREW /cart HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine + "\r\n\r\n"},
		{"an unknown protocol", "GET /cart HTTP/9.9\r\nHost: shop.example\r\nCookie: " + mine + "\r\n\r\n"},
		{"no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
		{"a bad escape in the path", "GET /cart%zz HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine + "\r\n\r\n"},
		{"a NUL byte in the path", "GET /cart%00 HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine + "\r\n\r\n"},
		{"an absolute address", "GET http://shop.example/cart HTTP/1.1\r\nHost: shop.example\r\nCookie: " + mine + "\r\n\r\n"},
		{"cookies of 20 kB", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCookie: a=" + strings.Repeat("b", 20_000) + "; " + mine + "\r\n\r\n"},
	} {
		r := s.do(call{method: "GET", target: "/cart", raw: c.request})
		fields := r.fields("GET")
		maps.DeleteFunc(fields, func(name string, _ []string) bool {
			return name != "status" && name != "Set-Cookie" && (name != "text" || r.status >= 400)
		})
		s.note(c.title, call{raw: c.request}.shown(""), fields)
	}
}

// leave ends sessions: by logout and by time.
func leave(s *script) {
	last := s.cookie
	s.step("an order", post("/order"))
	s.step("an order of nothing", post("/order"))

	gate := s.site.gate
	s.idle()
	s.step("the lab once more", get("/lab"))
	update := s.background(post("/lab/update", "mode", "exclusive"))
	await(s.T, "the update", gate.entered)
	out := s.do(post("/logout"))
	gate.release(1)
	late := await(s.T, "the late update", update)
	s.learn(late)
	fields := out.fields("POST")
	fields["answer"] = append([]string{"the update that was under way: " + late.fields("POST")["status"][0]}, late.header["Set-Cookie"]...)
	s.note("a logout during an update", []string{"POST /logout", "Cookie: session=" + last, "while POST /lab/update has the session"}, fields)
	s.step("the page after the logout", get("/login?left=1"))
	s.step("the ID that was logged out", get("/").with("session="+last))
	s.step("a logout of nobody", post("/logout").stranger())

	s.do(get("/probe/brief").stranger())
	brief := len(s.ids) - 1
	if err := s.store.expire(s.Context(), s.ids[brief]); err != nil {
		s.Fatal(err)
	}
	s.step("an expired ID", get("/").with("session="+nameOf(brief)))
}
