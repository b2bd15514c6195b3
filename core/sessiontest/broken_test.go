package sessiontest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/sessiontest"
)

// brokenEnv tells a child process which broken store to run the kit on.
const brokenEnv = "SESSIONTEST_BROKEN_STORE"

// TestRunStore_CatchesBrokenStores runs the kit on stores that are broken on
// purpose, each in a process of its own, where the kit may fail, and wants it
// to fail in a subtest of the very rule that the store breaks.
func TestRunStore_CatchesBrokenStores(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range brokenStores {
		t.Run(b.rule+"/"+b.name, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), program,
				"-test.run=^TestBrokenStore$/^"+b.rule+"$", "-test.v", "-test.timeout=60s")
			child.Env = append(os.Environ(), brokenEnv+"="+b.rule+"/"+b.name)
			output, err := child.CombinedOutput()
			if err == nil {
				t.Fatalf("the kit passes on a store that %s", b.name)
			}
			if !strings.Contains(string(output), "--- FAIL: TestBrokenStore/"+b.rule+"/") {
				t.Errorf("no subtest of %s failed on a store that %s:\n%s", b.rule, b.name, output)
			}
		})
	}
}

// TestBrokenStore is what those processes run.
func TestBrokenStore(t *testing.T) {
	name := os.Getenv(brokenEnv)
	if name == "" {
		return // not such a process
	}
	for _, b := range brokenStores {
		if b.rule+"/"+b.name != name {
			continue
		}
		sessiontest.RunStore(t, func(testing.TB) sessiontest.Harness {
			here, there := b.open(newModel())
			return sessiontest.Harness{Store: here, Second: there, MaxSize: maxSize, Advance: time.Sleep}
		}, everything)
		return
	}
	t.Fatalf("no broken store is called %q", name)
}

// broken is a store that is a model but for one fault.
type broken struct {
	rule string
	name string // completes "a store that …"
	open func(*model) (here, there session.Store)
}

// call is a call of a hooked store: what it was given and what it answers.
type call struct {
	op        sessiontest.Op
	ctx       context.Context
	key       session.StoreKey
	rec       session.Record // written, or returned
	token     session.Token
	lease     time.Duration
	how       session.Commit
	old       session.WriteID
	reason    session.EndReason
	namespace string
	limit     int
	ends      []session.Expired
	err       error

	answered bool // by before: the call is not made
}

// hooked is a model with something done before or after its calls.
type hooked struct {
	*model
	before, after func(*model, *call)
}

// doing returns the stores of a broken: a model that does something before the
// calls of op ("": of every call), which may change or answer them.
func doing(op sessiontest.Op, before func(*model, *call)) func(*model) (here, there session.Store) {
	return func(m *model) (here, there session.Store) {
		h := &hooked{m, only(op, before), nil}
		return h, h
	}
}

// answering is doing for what is done after the calls, and may change what
// they answer.
func answering(op sessiontest.Op, after func(*model, *call)) func(*model) (here, there session.Store) {
	return func(m *model) (here, there session.Store) {
		h := &hooked{m, nil, only(op, after)}
		return h, h
	}
}

func only(op sessiontest.Op, f func(*model, *call)) func(*model, *call) {
	return func(m *model, c *call) {
		if op == "" || c.op == op {
			f(m, c)
		}
	}
}

// edit changes the entry under key, if there is one.
func (m *model) edit(key session.StoreKey, change func(*entry)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[key]; e != nil {
		change(e)
	}
}

// editLive is edit for a live one.
func (m *model) editLive(key session.StoreKey, change func(*entry)) {
	m.edit(key, func(e *entry) {
		if e.live(m.now()) {
			change(e)
		}
	})
}

// answer makes err the answer to the call, which is not made.
func (c *call) answer(err error) { c.err, c.answered = err, true }

func (h *hooked) run(c *call, make func()) *call {
	if h.before != nil {
		h.before(h.model, c)
	}
	if !c.answered {
		make()
	}
	if h.after != nil {
		h.after(h.model, c)
	}
	return c
}

func (h *hooked) Acquire(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) (session.Record, error) {
	c := &call{op: sessiontest.OpAcquire, ctx: ctx, key: key, token: token, lease: lease}
	h.run(c, func() { c.rec, c.err = h.model.Acquire(c.ctx, c.key, c.token, c.lease) })
	return c.rec, c.err
}

func (h *hooked) Load(ctx context.Context, key session.StoreKey, wait bool) (session.Record, error) {
	c := &call{op: sessiontest.OpLoad, ctx: ctx, key: key}
	h.run(c, func() { c.rec, c.err = h.model.Load(c.ctx, c.key, wait) })
	return c.rec, c.err
}

func (h *hooked) Create(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, lease time.Duration) error {
	c := &call{op: sessiontest.OpCreate, ctx: ctx, key: key, rec: rec, token: token, lease: lease}
	return h.run(c, func() { c.err = h.model.Create(c.ctx, c.key, c.rec, c.token, c.lease) }).err
}

func (h *hooked) Save(ctx context.Context, key session.StoreKey, rec session.Record, token session.Token, how session.Commit) error {
	c := &call{op: sessiontest.OpSave, ctx: ctx, key: key, rec: rec, token: token, how: how}
	return h.run(c, func() { c.err = h.model.Save(c.ctx, c.key, c.rec, c.token, c.how) }).err
}

func (h *hooked) Swap(ctx context.Context, key session.StoreKey, rec session.Record, old session.WriteID) error {
	c := &call{op: sessiontest.OpSwap, ctx: ctx, key: key, rec: rec, old: old}
	return h.run(c, func() { c.err = h.model.Swap(c.ctx, c.key, c.rec, c.old) }).err
}

func (h *hooked) Release(ctx context.Context, key session.StoreKey, token session.Token) error {
	c := &call{op: sessiontest.OpRelease, ctx: ctx, key: key, token: token}
	return h.run(c, func() { c.err = h.model.Release(c.ctx, c.key, c.token) }).err
}

func (h *hooked) Extend(ctx context.Context, key session.StoreKey, token session.Token, lease time.Duration) error {
	c := &call{op: sessiontest.OpExtend, ctx: ctx, key: key, token: token, lease: lease}
	return h.run(c, func() { c.err = h.model.Extend(c.ctx, c.key, c.token, c.lease) }).err
}

func (h *hooked) Touch(ctx context.Context, key session.StoreKey) error {
	c := &call{op: sessiontest.OpTouch, ctx: ctx, key: key}
	return h.run(c, func() { c.err = h.model.Touch(c.ctx, c.key) }).err
}

func (h *hooked) Remove(ctx context.Context, key session.StoreKey, token session.Token, reason session.EndReason) error {
	c := &call{op: sessiontest.OpRemove, ctx: ctx, key: key, token: token, reason: reason}
	return h.run(c, func() { c.err = h.model.Remove(c.ctx, c.key, c.token, c.reason) }).err
}

func (h *hooked) Reap(ctx context.Context, namespace string, limit int, token session.Token, lease time.Duration) ([]session.Expired, error) {
	c := &call{op: sessiontest.OpReap, ctx: ctx, namespace: namespace, limit: limit, token: token, lease: lease}
	h.run(c, func() { c.ends, c.err = h.model.Reap(c.ctx, c.namespace, c.limit, c.token, c.lease) })
	return c.ends, c.err
}
