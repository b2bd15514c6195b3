// Browser tries the examples with a real browser: a Chromium without a window,
// driven over the DevTools protocol. `make browser` runs its tests, after it has
// installed a Chromium where there is none and where it can; `make screenshot`
// makes the picture of the shop in README.md.
//
// What only a browser can tell is whether a session holds up in one: which of
// two answers to a form sent twice sets the cookie that stays, what the back
// button shows after the logout, whether a page runs under its own
// Content-Security-Policy. All else about the examples is tested beside them,
// faster.
//
// # Which browser
//
// SESSION_TEST_CHROMIUM names the program. Without it the first one on the PATH
// counts: chromium, google-chrome-stable, google-chrome, chromium-browser. If
// there is none the tests are skipped and say what to install; where
// SESSION_TEST_REQUIRE is 1 they fail.
//
// The browser has a profile of its own that is deleted afterwards, resolves no
// name, uses no proxy and has the debugging protocol on a pipe, so nobody else
// reaches it, and it ends when the test does: also when either of them hangs or
// is killed.
package main
