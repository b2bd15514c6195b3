package shop

import (
	"errors"
	"net/http"
	"time"

	session "github.com/sessionstate/sessionstate/core"
)

// labMode is one mode as the lab offers it.
type labMode struct {
	Mode   session.Mode
	Value  string // in forms and addresses
	Name   string
	About  string
	Writes bool
}

func labModes() []labMode {
	return []labMode{
		{
			session.Exclusive, "exclusive", "Exclusive",
			"The default: one request at a time. Each update waits its turn, so plain read, work, write is safe.", true,
		},
		{
			session.Concurrent, "concurrent", "Concurrent",
			"Nobody waits. Each update says what to do to the counter, and saving does it again on the newest value.", true,
		},
		{
			session.ReadOnly, "readonly", "ReadOnly",
			"Ten reads during a slow update. They wait for it, see what it saved, and hold up nobody. Changes are refused.", false,
		},
		{
			session.Snapshot, "snapshot", "Snapshot",
			"Ten reads during a slow update. They never wait and see what was saved before it. Changes are refused.", false,
		},
	}
}

// longUpdate is how many delays the slow update takes that the reads meet.
const longUpdate = 5

// ParseMode returns the mode that a form of the lab names, or ErrMode.
func ParseMode(value string) (session.Mode, error) {
	for _, m := range labModes() {
		if m.Value == value {
			return m.Mode, nil
		}
	}
	return 0, ErrMode
}

// LabAnswer is what the lab's requests answer, as JSON.
type LabAnswer struct {
	Count  int     `json:"count"`  // as this request sees it
	Waited float64 `json:"waited"` // for the session, in milliseconds
	Held   float64 `json:"held"`   // the session, in milliseconds
	Error  string  `json:"error,omitempty"`
}

// Lab shows the lab. Exclusive: the page stores the counter if it is not there
// yet, because the ten requests that its button sends have to meet in a session
// that exists. Without it each of them would begin one of its own.
func (sh *Shop) Lab(s *session.Session, _ Form) (Result, error) {
	count, found, err := countKey.Lookup(s)
	if err != nil {
		return Result{}, err
	}
	if !found {
		if err := countKey.Set(s, count); err != nil {
			return Result{}, err
		}
	}
	p, err := visitor(s, page{Title: "The lab", Here: "lab", Data: struct {
		Modes []labMode
		Count int
		Delay int64 // milliseconds
		Long  int64
	}{labModes(), count, sh.cfg.Delay.Milliseconds(), longUpdate * sh.cfg.Delay.Milliseconds()}})
	if err != nil {
		return Result{}, err
	}
	return sh.render(http.StatusOK, "lab", p)
}

// LabUpdate adds one to the counter, slowly, in whichever mode the session was
// acquired: the modes that only read refuse it. waited is how long the
// caller's Acquire took.
func (sh *Shop) LabUpdate(s *session.Session, form Form, waited time.Duration) (Result, error) {
	if s.IsNew() {
		return answer(http.StatusConflict, LabAnswer{Error: "this browser's session has ended: load the page again"})
	}
	began := time.Now()
	work := sh.cfg.Delay
	if form("slow") != "" {
		work *= longUpdate
	}

	count, err := countKey.Get(s)
	if err != nil {
		return Result{}, err
	}
	if err := sh.cfg.Pause(s.Context(), work); err != nil {
		return Result{}, err
	}
	count++
	if s.Mode() == session.Concurrent {
		// Others may have written since, so say what to do, not what comes of
		// it: Update is run again on the newest value.
		err = countKey.Update(s, func(n int) int { return n + 1 })
	} else {
		err = countKey.Set(s, count) // Exclusive: what was read is still true
	}
	if errors.Is(err, session.ErrReadOnly) {
		return answer(http.StatusForbidden, LabAnswer{Count: count - 1, Waited: ms(waited), Error: err.Error()})
	}
	if err != nil {
		return Result{}, err
	}
	return answer(http.StatusOK, LabAnswer{Count: count, Waited: ms(waited), Held: ms(time.Since(began))})
}

// LabCount tells the counter. ReadOnly or Snapshot, as the visitor chose.
func (sh *Shop) LabCount(s *session.Session, _ Form, waited time.Duration) (Result, error) {
	count, err := countKey.Get(s)
	if err != nil {
		return Result{}, err
	}
	return answer(http.StatusOK, LabAnswer{Count: count, Waited: ms(waited)})
}

// LabReset sets the counter back.
func (sh *Shop) LabReset(s *session.Session, _ Form) (Result, error) {
	if err := countKey.Set(s, 0); err != nil {
		return Result{}, err
	}
	return sh.redirect("/lab"), nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
