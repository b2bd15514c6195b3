package shoptest

import (
	"encoding/json"
	"net/http"
	"testing"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/examples/internal/serve"
	"github.com/sessionstate/sessionstate/examples/internal/shop"
)

// update sends an update of the lab in the background and gives the answer to
// whoever waits for it.
func (v *visitor) update(mode string) <-chan reply {
	r := v.request("POST", "/lab/update", encode("mode", mode))
	answer := make(chan reply, 1)
	go func() { answer <- v.do(r) }() // ends with the answer, or with the client's Timeout
	return answer
}

// count reads the lab's counter in a mode.
func (v *visitor) count(mode string) int {
	v.t.Helper()
	return v.get("/lab/count?mode="+mode).lab(v.t, http.StatusOK).Count
}

func (r reply) lab(t *testing.T, status int) (answer shop.LabAnswer) {
	t.Helper()
	r.want(t, status)
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		t.Errorf("the answer is no JSON: %v\n%s", err, r.body)
	}
	return answer
}

// labVisitor is a visitor who has opened the lab.
func (st *site) labVisitor(t *testing.T) *visitor {
	t.Helper()
	v := st.visitor(t)
	v.get("/lab").want(t, http.StatusOK, "Run ten updates", "Exclusive", "Concurrent", "ReadOnly", "Snapshot")
	return v
}

func labExclusive(t *testing.T, build serve.Build) {
	// With room for nine to wait, an eleventh update is turned away exactly
	// when one works and nine wait: so its answer is the proof that the ten
	// overlap.
	st := open(t, build, session.Config{RequestQueueLimit: 9})
	v := st.labVisitor(t)
	answers := make(chan reply, 11)
	for range 11 {
		answer := v.update("exclusive")
		go func() { answers <- <-answer }()
	}
	await(t, "the first update", st.gate.entered)
	refused := await(t, "the refusal", answers)
	refused.want(t, http.StatusTooManyRequests, "Too many requests", "</html>")
	if refused.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}

	st.gate.release(10)
	seen := map[int]bool{}
	for range 10 {
		seen[await(t, "an update", answers).lab(t, http.StatusOK).Count] = true
	}
	if len(seen) != 10 {
		t.Errorf("the updates saw %v, want each number from 1 to 10 once", seen)
	}
	if n := st.gate.together(); n != 1 {
		t.Errorf("%d updates had the session at the same time", n)
	}
	if n := v.count("readonly"); n != 10 {
		t.Errorf("%d of ten updates counted", n)
	}

	r := v.postAndFollow("/lab/reset")
	r.want(t, http.StatusOK, `id="after">0<`)
	if n := v.count("snapshot"); n != 0 {
		t.Errorf("the counter is %d after the reset", n)
	}
}

func labConcurrent(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	v := st.labVisitor(t)
	answers := make([]<-chan reply, 10)
	for i := range answers {
		answers[i] = v.update("concurrent")
	}
	for range answers { // nobody waits: all ten work at the same time
		await(t, "an update that waits for no other", st.gate.entered)
	}
	st.gate.release(10)
	for _, answer := range answers {
		await(t, "an update", answer).lab(t, http.StatusOK)
	}
	if n := v.count("readonly"); n != 10 {
		t.Errorf("%d of ten updates counted", n)
	}
}

func labSnapshot(t *testing.T, build serve.Build) {
	st := open(t, build, session.Config{})
	v := st.labVisitor(t)
	update := v.update("exclusive")
	await(t, "the update", st.gate.entered)
	for range 10 { // the update ends only after the last of them
		if n := v.count("snapshot"); n != 0 {
			t.Errorf("a snapshot read %d before anything was saved", n)
		}
	}
	st.gate.release(1)
	await(t, "the update", update).lab(t, http.StatusOK)
	if n := v.count("snapshot"); n != 1 {
		t.Errorf("a snapshot read %d after the update", n)
	}
	v.refused(st, "snapshot")
}

func labReadOnly(t *testing.T, build serve.Build) {
	// With room for one to wait, the second read is turned away exactly when
	// the first waits.
	st := open(t, build, session.Config{RequestQueueLimit: 1})
	v := st.labVisitor(t)
	update := v.update("exclusive")
	await(t, "the update", st.gate.entered)
	reads := make(chan reply, 2)
	for range 2 {
		r := v.request("GET", "/lab/count?mode=readonly", "")
		go func() { reads <- v.do(r) }()
	}
	await(t, "the refusal", reads).want(t, http.StatusTooManyRequests)
	st.gate.release(1)
	if n := await(t, "the read", reads).lab(t, http.StatusOK).Count; n != 1 {
		t.Errorf("the read that waited for the update read %d", n)
	}
	await(t, "the update", update).lab(t, http.StatusOK)
	v.refused(st, "readonly")
}

// refused checks that a mode that reads refuses to change anything.
func (v *visitor) refused(st *site, mode string) {
	v.t.Helper()
	st.gate.release(1)
	before := v.count("readonly")
	answer := v.post("/lab/update", "mode", mode).lab(v.t, http.StatusForbidden)
	if answer.Error != session.ErrReadOnly.Error() || answer.Count != before {
		v.t.Errorf("a change in mode %s was answered %+v", mode, answer)
	}
	if n := v.count("readonly"); n != before {
		v.t.Errorf("a refused change moved the counter from %d to %d", before, n)
	}
}

func labWithoutSession(t *testing.T, build serve.Build) {
	v := open(t, build, session.Config{}).visitor(t)
	if answer := v.post("/lab/update", "mode", "exclusive").lab(t, http.StatusConflict); answer.Error == "" {
		t.Error("an update without a session was not refused")
	}
	if v.cookie() != "" {
		t.Error("an update without a session began one")
	}
}
