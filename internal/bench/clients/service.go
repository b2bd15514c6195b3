package clients

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

// The routes of every service.
const (
	Fill = "/fill" // stores a text, and the number 1
	Read = "/read" // reads the number
	Step = "/step" // reads the number and stores the next one
)

// Most is how many clients a Service can have.
const Most = 64

// Service is an application with sessions of one size, and its clients.
type Service struct {
	Name    string
	Handler http.Handler
	Cookies []string // of each session, as a request carries it

	steps    []int // how many requests have changed it
	visitors []visitor
}

// Text returns a text of n characters that looks like what sessions have: of
// words, which repeat, and of tokens, which do not.
func Text(n int, of uint64) string {
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
	return visitor{request(Read), request(Step), header, writer{header: make(http.Header)}}
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
func (s *Service) visit(ctx context.Context, r *http.Request, v *visitor, i int) error {
	v.header["Cookie"] = s.Cookies[i : i+1]
	clear(v.w.header)
	v.w.status, v.w.body = 0, v.w.body[:0]
	s.Handler.ServeHTTP(&v.w, r.WithContext(ctx))
	if v.w.status != http.StatusOK {
		return fmt.Errorf("bench: %s: a request got %d: %.200s", s.Name, v.w.status, v.w.body)
	}
	return nil
}

// Read makes a read-only request. It is an Operation.
func (s *Service) Read(ctx context.Context, client, i int) error {
	v := &s.visitors[client]
	return s.visit(ctx, v.read, v, i)
}

// Step makes a request that changes the session, and checks that the one before
// did. It is an Operation.
func (s *Service) Step(ctx context.Context, client, i int) error {
	v := &s.visitors[client]
	if err := s.visit(ctx, v.step, v, i); err != nil {
		return err
	}
	s.steps[i]++ // nobody else has this session
	if want := s.steps[i]; !bytes.Equal(v.w.body, strconv.AppendInt(nil, int64(want), 10)) {
		return fmt.Errorf("bench: %s: the handler read %.20s, want %d", s.Name, v.w.body, want)
	}
	return nil
}

// FillAll makes n sessions of that size through the handler, so many at a time.
// each is told of the reply to each one's request.
func (s *Service) FillAll(ctx context.Context, n, size, workers int, each func(i int, h http.Header) error) error {
	s.Cookies, s.steps = make([]string, n), make([]int, n)
	for range Most {
		s.visitors = append(s.visitors, newVisitor())
	}
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = func() error {
					r := httptest.NewRequest(http.MethodPost, Fill, strings.NewReader(Text(size, uint64(i)))).WithContext(ctx)
					answer := httptest.NewRecorder()
					s.Handler.ServeHTTP(answer, r)
					set := answer.Result().Cookies()
					if answer.Code != http.StatusOK || len(set) != 1 {
						return fmt.Errorf("bench: %s: a new session got %d, %d cookies: %.200s", s.Name, answer.Code, len(set), answer.Body)
					}
					s.Cookies[i] = set[0].Name + "=" + set[0].Value
					return each(i, answer.Header())
				}()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Verify proves that what was measured happened: every change of some sessions
// is in them.
func (s *Service) Verify(ctx context.Context) error {
	v := newVisitor()
	for range 200 {
		i := rand.IntN(len(s.Cookies))
		if err := s.visit(ctx, v.read, &v, i); err != nil {
			return err
		}
		if want := 1 + s.steps[i]; string(v.w.body) != strconv.Itoa(want) {
			return fmt.Errorf("bench: %s: a session has %.20s, want %d", s.Name, v.w.body, want)
		}
	}
	return nil
}

// Library is how handlers use what keeps their sessions.
type Library struct {
	Fill       func(r *http.Request, text string) error
	Read, Step func(*http.Request) (int, error) // Step returns what it read
}

// Routes returns the handler that all services have.
func (l Library) Routes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		var err error
		switch r.URL.Path {
		case Read:
			n, err = l.Read(r)
		case Step:
			n, err = l.Step(r)
		default:
			var body []byte
			if body, err = io.ReadAll(r.Body); err == nil {
				err = l.Fill(r, string(body))
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
