package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/httpsession"
	"github.com/sessionstate/sessionstate/internal/e2e/wire"
)

// What a session has: a counter, and beside it, in a value of its own, which
// increments it counts. Both change together or not at all.
var (
	counter = session.NewKey[int]("counter")
	ledger  = session.NewKey[wire.Ledger]("ledger")
)

// routes returns the service.
func routes(sessions *session.Manager, store *opened, notes *observed) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /new", create)
	mux.HandleFunc("POST /increment", increment)
	mux.HandleFunc("GET /read", read)
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /whose", whose)
	mux.HandleFunc("POST /end", end)
	inner := httpsession.New(sessions, httpsession.Options{ErrorHandler: notStored})(mux)
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := parse(r, notes)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		inner.ServeHTTP(&reply{ResponseWriter: w, visit: v}, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
		notes.left(v)
		if v.entered {
			notes.journal.write(wire.Event{Kind: wire.Done, ID: v.id, At: wire.Now()})
		}
	})
	outer := http.NewServeMux()
	outer.Handle("/", served)
	outer.HandleFunc("GET /stats", stats)
	outer.HandleFunc("POST /calm", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, wire.Calm{Injected: store.calm()})
	})
	return outer
}

// answer answers in JSON.
func answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// visit is one request.
type visit struct {
	notes *observed
	id    wire.ID
	mode  string
	hold  time.Duration // between reading and writing
	early bool          // release in the handler
	full  bool          // report the ledger too

	asked   int64 // when the store was asked for the lock it gave
	tokens  []session.Token
	entered bool
	value   int // the counter after the increment, 0: none was made
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

func parse(r *http.Request, notes *observed) (v *visit, err error) {
	v = &visit{notes: notes, mode: r.FormValue("mode"), early: r.FormValue("early") != "", full: r.FormValue("full") != ""}
	for name, into := range map[string]*int{"session": &v.id.Session, "client": &v.id.Client, "number": &v.id.Number} {
		if text := r.FormValue(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil {
				return nil, err
			}
		}
	}
	if text := r.FormValue("hold"); text != "" {
		v.hold, err = time.ParseDuration(text)
	}
	return v, err
}

// reply adds what was confirmed to a reply, which leaves when the session is
// stored (M12): only then has a Concurrent increment its final value.
type reply struct {
	http.ResponseWriter
	visit *visit
	begun bool
}

func (w *reply) WriteHeader(code int) {
	if !w.begun && code == http.StatusOK && w.visit.value > 0 {
		w.Header().Set(wire.Value, strconv.Itoa(w.visit.value))
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(code)
}

func (w *reply) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// briefTimeout is the idle timeout of those who come and go.
const briefTimeout = 2 * time.Second

// create makes a session that counts from 0.
func create(w http.ResponseWriter, r *http.Request) {
	s, err := httpsession.Acquire(r)
	if err == nil {
		err = errors.Join(counter.Set(s, 0), ledger.Set(s, wire.Ledger{}))
	}
	if err == nil && r.FormValue("brief") != "" {
		err = s.SetTimeout(briefTimeout)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	fmt.Fprintln(w, "new")
}

// increment adds 1 to the counter, and the increment to the ledger.
func increment(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r.Context())
	mode := session.Exclusive
	if v.mode == wire.ModeConcurrent {
		mode = session.Concurrent
	}
	s, err := httpsession.Acquire(r, mode)
	switch {
	case err != nil:
		refuse(w, err)
		return
	case s.IsNew():
		http.Error(w, "there is no such session", http.StatusGone)
		return
	}
	if mode == session.Exclusive {
		v.notes.entered(v, s.StoreKey())
		defer func() { // also if what follows panics
			if !v.early {
				v.notes.journal.write(wire.Event{Kind: wire.Leave, ID: v.id, At: wire.Now()})
			}
		}()
	}
	// A holder that does not listen to Session.Context is the harder case.
	wait(r.Context(), v.hold)
	err = errors.Join(
		counter.Update(s, func(n int) int { v.value = n + 1; return n + 1 }),
		ledger.Update(s, func(l wire.Ledger) wire.Ledger { return l.Add(v.id) }))
	if err != nil {
		v.value = 0
		httpsession.Fail(w, r, err)
		return
	}
	if v.early {
		if v.entered {
			v.notes.journal.write(wire.Event{Kind: wire.Leave, ID: v.id, At: wire.Now()})
		}
		if err := s.Release(r.Context()); err != nil {
			httpsession.Fail(w, r, err)
			return
		}
	}
	fmt.Fprintln(w, "counted")
}

// read reports the counter, and what the ledger says it should be.
func read(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r.Context())
	mode := session.Snapshot
	if v.mode == wire.ModeReadOnly {
		mode = session.ReadOnly
	}
	s, err := httpsession.Acquire(r, mode)
	if err != nil {
		refuse(w, err)
		return
	}
	state := wire.State{Gone: s.IsNew()}
	var made wire.Ledger
	if state.Counter, err = counter.Get(s); err == nil {
		made, err = ledger.Get(s)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	state.Made = made.Len()
	if v.full {
		state.Ledger = made
		rec, err := v.notes.Load(r.Context(), s.StoreKey(), false)
		if err != nil && !state.Gone {
			refuse(w, err)
			return
		}
		state.Locked = rec.Lock != nil
	}
	answer(w, state)
}

// end ends a session.
func end(w http.ResponseWriter, r *http.Request) {
	s, err := httpsession.Acquire(r)
	if err == nil {
		err = s.Abandon()
	}
	if err != nil {
		refuse(w, err)
		return
	}
	fmt.Fprintln(w, "gone")
}

// refuse answers a request that did not get as far as changing anything.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set(wire.Outcome, wire.Refused)
	http.Error(w, err.Error(), session.HTTPStatus(err))
}

// notStored answers where storing failed: it tells what the project's errors
// promise of the changes.
func notStored(w http.ResponseWriter, r *http.Request, err error) {
	visitOf(r.Context()).value = 0
	w.Header().Set(wire.Outcome, outcome(err))
	http.Error(w, err.Error(), session.HTTPStatus(err))
}

func outcome(err error) string {
	if errors.Is(err, session.ErrOutcomeUnknown) {
		return wire.Unknown
	}
	for _, certain := range []error{session.ErrLockLost, session.ErrConflict, session.ErrRenewed, session.ErrTooLarge} {
		if errors.Is(err, certain) {
			return wire.Refused
		}
	}
	return wire.Unknown
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
