package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// visitor is a client of an application with the cookies that it got.
type visitor struct {
	app     client
	see     *seen
	cookies map[string]string
}

func newVisitor(app client, see *seen) *visitor {
	return &visitor{app, see, make(map[string]string)}
}

// header returns the cookies as a request carries them.
func (v *visitor) header() string {
	pairs := make([]string, 0, len(v.cookies))
	for _, name := range slices.Sorted(maps.Keys(v.cookies)) {
		pairs = append(pairs, name+"="+v.cookies[name])
	}
	return strings.Join(pairs, "; ")
}

// visit makes a request, and keeps the cookies of the answer.
func (v *visitor) visit(path string) (set int, err error) {
	*v.see = seen{n: -1}
	v.app.prepare(path, v.header())()
	r := v.app.reply()
	if err := sound(v.app, v.see); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	for _, line := range r.setCookies {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			return 0, fmt.Errorf("%s: cookie %q: %w", path, line, err)
		}
		v.cookies[c.Name] = c.Value
	}
	return len(r.setCookies), nil
}

// want visits and compares the number that the handler read.
func (v *visitor) want(path string, n int) error {
	if _, err := v.visit(path); err != nil {
		return err
	}
	if v.see.n != n {
		return fmt.Errorf("%s: the handler read %d, want %d", path, v.see.n, n)
	}
	if path == look && v.see.text != text {
		return fmt.Errorf("%s: the handler read the text %q", path, v.see.text)
	}
	return nil
}

// sound proves that the last request went well.
func sound(app client, see *seen) error {
	if see.err != nil {
		return see.err
	}
	if r := app.reply(); r.status != http.StatusOK || r.body != string(ok) {
		return fmt.Errorf("got %d %.80q", r.status, r.body)
	}
	return nil
}

// verify proves that a contender really reads and writes a session that is its
// client's: what it says costs nothing if it does nothing.
func verify(c contender, app client, see *seen) error {
	v := newVisitor(app, see)
	if set, err := v.visit(nothing); err != nil || set != 0 {
		return errors.Join(err, fmt.Errorf("%d cookies for who has no session", set))
	}
	if set, err := v.visit(fill); err != nil || set != 1 {
		return errors.Join(err, fmt.Errorf("a new session set %d cookies", set))
	}
	for _, next := range []struct {
		path string
		n    int
	}{
		{look, 1}, {step, 1}, {step, 2}, {read, 3}, {step, 3}, {read, 4}, {nothing, -1}, {read, 4}, {look, 4},
	} {
		if err := v.want(next.path, next.n); err != nil {
			return err
		}
	}

	// As it is measured: one request again and again, its cookies the same.
	grows := 1
	if c.inCookie {
		grows = 0
	}
	do := app.prepare(step, v.header())
	for i := range 3 {
		do()
		if err := sound(app, see); err != nil {
			return err
		}
		if want := 4 + i*grows; see.n != want {
			return fmt.Errorf("repeated: the handler read %d, want %d", see.n, want)
		}
	}

	// It is the cookie that leads to the session, and its value.
	if err := newVisitor(app, see).want(step, 0); err != nil {
		return fmt.Errorf("a stranger: %w", err)
	}
	return v.want(look, 4+3*grows)
}
