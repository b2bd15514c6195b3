package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// sessions is how many sessions every contender has.
const sessions = 9984 // divides by 16 and by 64

// The routes of every contender.
const (
	fill = "/fill" // stores a text, and the number 1
	read = "/read" // reads the number
	step = "/step" // reads the number and stores the next one
)

// contender is a way to keep sessions in PostgreSQL, with sessions of one size
// stored.
type contender struct {
	name    string
	pool    *place
	handler http.Handler
	close   func()

	// What the store's part of a request is, without HTTP. One that is nil
	// has no such part.
	load  operation // read only
	write operation // acquire or find, then save

	cookies  []string // of each session, as a request carries it
	steps    []int    // how many requests have changed it
	visitors []visitor
}

// text returns a text of n characters that looks like what sessions have: of
// words, which repeat, and of tokens, which do not.
func text(n int, of uint64) string {
	r := rand.New(rand.NewPCG(of, 1))
	var b strings.Builder
	for b.Len() < n {
		word := vocabulary[r.IntN(len(vocabulary))]
		if word == "" {
			var token [24]byte
			for i := range token {
				token[i] = byte(r.Uint32())
			}
			word = base64.RawURLEncoding.EncodeToString(token[:])
		}
		b.WriteString(word)
		b.WriteByte(' ')
	}
	return b.String()[:n]
}

var vocabulary = strings.Split("item,price,quantity,address,street,city,name,delivery,discount,language,currency,"+
	"theme,timezone,last seen,token,,,,,,", ",")

// visitor is one client's requests: used one at a time, and used again.
type visitor struct {
	read, step *http.Request
	header     http.Header
	w          writer
}

func newVisitor() visitor {
	header := make(http.Header)
	request := func(path string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header = header
		return r
	}
	return visitor{request(read), request(step), header, writer{header: make(http.Header)}}
}

// writer is an http.ResponseWriter that allocates nothing once its body has
// been as long as it gets.
type writer struct {
	header http.Header
	status int
	body   []byte
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

// visit calls the handler for a session.
func (c *contender) visit(ctx context.Context, r *http.Request, v *visitor, i int) error {
	v.header["Cookie"] = c.cookies[i : i+1]
	clear(v.w.header)
	v.w.status, v.w.body = 0, v.w.body[:0]
	c.handler.ServeHTTP(&v.w, r.WithContext(ctx))
	if v.w.status != http.StatusOK {
		return fmt.Errorf("bench: %s: a request got %d: %.200s", c.name, v.w.status, v.w.body)
	}
	return nil
}

func (c *contender) requestRead(ctx context.Context, client, i int) error {
	v := &c.visitors[client]
	return c.visit(ctx, v.read, v, i)
}

func (c *contender) requestStep(ctx context.Context, client, i int) error {
	v := &c.visitors[client]
	if err := c.visit(ctx, v.step, v, i); err != nil {
		return err
	}
	c.steps[i]++ // nobody else has this session
	if want := c.steps[i]; !bytes.Equal(v.w.body, strconv.AppendInt(nil, int64(want), 10)) {
		return fmt.Errorf("bench: %s: the handler read %.20s, want %d", c.name, v.w.body, want)
	}
	return nil
}

// fillAll makes n sessions of that size through the handler.
func (c *contender) fillAll(ctx context.Context, n, size int, each func(i int, h http.Header) error) error {
	c.cookies, c.steps = make([]string, n), make([]int, n)
	for range 64 {
		c.visitors = append(c.visitors, newVisitor())
	}
	errs := make([]error, conns)
	var wg sync.WaitGroup
	for w := range conns {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += conns {
				errs[w] = func() error {
					r := httptest.NewRequest(http.MethodPost, fill, strings.NewReader(text(size, uint64(i)))).WithContext(ctx)
					answer := httptest.NewRecorder()
					c.handler.ServeHTTP(answer, r)
					set := answer.Result().Cookies()
					if answer.Code != http.StatusOK || len(set) != 1 {
						return fmt.Errorf("bench: %s: a new session got %d, %d cookies: %.200s", c.name, answer.Code, len(set), answer.Body)
					}
					c.cookies[i] = set[0].Name + "=" + set[0].Value
					return each(i, answer.Header())
				}()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// verify proves that what was measured happened: every change of some sessions
// is in them.
func (c *contender) verify(ctx context.Context) error {
	v := newVisitor()
	for range 200 {
		i := rand.IntN(len(c.cookies))
		if err := c.visit(ctx, v.read, &v, i); err != nil {
			return err
		}
		if want := 1 + c.steps[i]; string(v.w.body) != strconv.Itoa(want) {
			return fmt.Errorf("bench: %s: a session has %.20s, want %d", c.name, v.w.body, want)
		}
	}
	return nil
}

// library is how handlers use a contender.
type library struct {
	fill       func(r *http.Request, text string) error
	read, step func(*http.Request) (int, error) // step returns what it read
}

// routes returns the handler that all contenders have.
func (l library) routes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		var err error
		switch r.URL.Path {
		case read:
			n, err = l.read(r)
		case step:
			n, err = l.step(r)
		default:
			var body []byte
			if body, err = io.ReadAll(r.Body); err == nil {
				err = l.fill(r, string(body))
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		var room [20]byte
		w.Write(strconv.AppendInt(room[:0], int64(n), 10))
	})
}
