package cosmosstore_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	session "github.com/sessionstate/sessionstate/core"
	cosmosstore "github.com/sessionstate/sessionstate/providers/cosmos"
)

// wantError reports an error that is not of a kind, does not say what it should,
// or says what it must not.
func wantError(t *testing.T, err, kind error, says string, never ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", says)
		return
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v\nis not %v", err, kind)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%v\ndoes not say %q", err, says)
	}
	for _, secret := range append(never, "://", anyKey) {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%v\nsays %q", err, secret)
		}
	}
}

// roundTrip makes a function a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestOutage_WorksAgain: the service goes away, and comes back.
func TestOutage_WorksAgain(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]faultKind{"connections break": dead, "connections are refused": refused, "it fails": failBefore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := fresh(t)
			cfg.RequestTimeout, cfg.MaxRetryAttempts = 500*time.Millisecond, 1
			s, n := behind(t, cfg)
			key := newKey()
			if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil {
				t.Fatal(err)
			}
			n.on(func(int, *http.Request) fault { return fault{kind: kind} })
			_, err := s.Load(t.Context(), key, false)
			wantError(t, err, session.ErrUnavailable, "load", hex.EncodeToString(key[:]))
			wantError(t, s.Ping(t.Context()), session.ErrUnavailable, "ping")
			wantError(t, s.Touch(t.Context(), key), session.ErrUnavailable, "touch")
			n.on(nil)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			got, err := s.Load(ctx, key, false)
			for err != nil && ctx.Err() == nil {
				got, err = s.Load(ctx, key, false)
			}
			if err != nil || string(got.Data) != "content" {
				t.Errorf("when it is back: %q, %v", got.Data, err)
			}
		})
	}
}

// answering returns a Store whose service gives one answer to all that is asked
// of documents.
func answering(t *testing.T, status int, header ...string) *cosmosstore.Store {
	t.Helper()
	cfg := fresh(t)
	cfg.MaxRetryAttempts, cfg.RequestTimeout = -1, 2*time.Second
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if strings.Contains(req.URL.Path, "/docs") {
			return answered(req, status, header...), nil
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	return open(t, cfg)
}

// TestAnswers_AreToldAndRedacted: what the service refuses is an error of the
// right kind that tells what to do, and nobody's secret.
func TestAnswers_AreToldAndRedacted(t *testing.T) {
	t.Parallel()
	key := newKey()
	id := hex.EncodeToString(key[:])
	for _, c := range []struct {
		status int
		header []string
		kind   error
		says   string
	}{
		{400, nil, session.ErrUnavailable, "400 Bad Request"},
		{401, nil, session.ErrUnavailable, "is the key right"},
		{403, nil, session.ErrUnavailable, "firewall"},
		{403, []string{"x-ms-substatus", "1014"}, session.ErrUnavailable, "partition is full"},
		{403, []string{"x-ms-substatus", "3"}, session.ErrUnavailable, "deadline exceeded"}, // the SDK tries that again each second
		{404, []string{"x-ms-substatus", "1003"}, session.ErrUnavailable, "container still exist"},
		{404, []string{"x-ms-substatus", "1002"}, session.ErrUnavailable, "sub-status 1002"},
		{408, nil, session.ErrUnavailable, "408"},
		{410, nil, session.ErrUnavailable, "410"},
		{413, nil, session.ErrTooLarge, "too large"},
		{429, []string{"x-ms-retry-after-ms", "5"}, session.ErrUnavailable, "more throughput"},
		{449, []string{"x-ms-activity-id", "f370e9eb"}, session.ErrUnavailable, "activity f370e9eb"},
		{500, nil, session.ErrUnavailable, "500"},
		{503, nil, session.ErrUnavailable, "503"},
	} {
		t.Run(strings.Join(append(c.header, http.StatusText(c.status), c.says), " "), func(t *testing.T) {
			t.Parallel()
			s := answering(t, c.status, c.header...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := s.Create(ctx, key, record("secret content"), nobody, 0)
			wantError(t, err, c.kind, c.says, id, "secret content")
		})
	}
}

// TestForeignDocument: what another program wrote is left alone, and is the
// error that the Manager knows what to do with.
func TestForeignDocument(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	s := open(t, cfg)
	container := containerClient(t, cfg)
	for what, fields := range map[string]map[string]any{
		"of no form":          {"hello": "secret content"},
		"of a later form":     {"v": 2, "state": "live"},
		"that looks like one": {"v": 1, "state": "live", "life": map[string]any{"expiry": 1 << 52}, "lock": map[string]any{"until": 0}},
	} {
		key := newKey()
		id := hex.EncodeToString(key[:])
		fields["id"] = id
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := container.CreateItem(t.Context(), azcosmos.NewPartitionKeyString(id), data, nil); err != nil {
			t.Fatal(err)
		}
		_, loaded := s.Load(t.Context(), key, false)
		_, acquired := s.Acquire(t.Context(), key, session.NewToken(), lease)
		for op, err := range map[string]error{
			"load": loaded, "acquire": acquired,
			"create": s.Create(t.Context(), key, record("mine"), nobody, 0),
			"save":   s.Save(t.Context(), key, record("mine"), session.NewToken(), session.Commit{}),
			"touch":  s.Touch(t.Context(), key),
		} {
			if err == nil {
				t.Errorf("%s of a document %s succeeds", op, what)
				continue
			}
			wantError(t, err, session.ErrCorrupt, "another program wrote", id, "secret content")
		}
		if err := s.Release(t.Context(), key, session.NewToken()); err != nil {
			t.Errorf("Release: %v", err)
		}
	}
}

// TestContainerDeletedWhileRunning: nobody is logged out by that, and all works
// again when it is back.
func TestContainerDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	s := open(t, cfg)
	key := newKey()
	if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	dropContainer(t, cfg)
	_, loaded := s.Load(t.Context(), key, false)
	_, acquired := s.Acquire(t.Context(), key, session.NewToken(), lease)
	_, listed := s.ListOwner(t.Context(), "test", "somebody")
	for op, err := range map[string]error{
		"load": loaded, "acquire": acquired, "list owner": listed, "ping": s.Ping(t.Context()),
		"create": s.Create(t.Context(), newKey(), record("content"), nobody, 0),
		"remove": s.Remove(t.Context(), key, nobody, session.EndDelete),
	} {
		wantError(t, err, session.ErrUnavailable, "container still exist", hex.EncodeToString(key[:]))
		wantError(t, err, nil, op)
	}
	open(t, cfg) // makes it again
	if err := errors.Join(s.Ping(t.Context()), s.Create(t.Context(), key, record("content"), nobody, 0)); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// TestContainerMadeAnew: the service's session tokens of the old container say
// nothing of the new one, which has not written as much.
func TestContainerMadeAnew(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = 2
	written := 1000
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		asked := strings.TrimPrefix(req.Header.Get("x-ms-session-token"), "0:-1#")
		if n, _ := strconv.Atoi(asked); n > written {
			return answered(req, http.StatusNotFound, "x-ms-substatus", "1002"), nil
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil && strings.Contains(req.URL.Path, "/docs") {
			if req.Method != http.MethodGet {
				written++
			}
			resp.Header.Set("x-ms-session-token", fmt.Sprintf("0:-1#%d", written))
		}
		return resp, err
	})
	s := open(t, cfg)
	if err := s.Create(t.Context(), newKey(), record("content"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	dropContainer(t, cfg)
	open(t, cfg)
	written = 1
	key := newKey()
	if err := s.Create(t.Context(), key, record("content"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := s.Load(t.Context(), key, false); err != nil || string(got.Data) != "content" {
			t.Errorf("Load: %q, %v", got.Data, err)
		}
	}
	if infos, err := s.ListOwner(t.Context(), "test", "somebody"); err != nil || len(infos) != 1 {
		t.Errorf("ListOwner: %d, %v, want 1", len(infos), err)
	}
}

// TestContainerMadeAnew_Listing is the same where a query is the first to meet it.
func TestContainerMadeAnew_Listing(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.MaxRetryAttempts = -1
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("x-ms-session-token") != "" {
			return answered(req, http.StatusNotFound, "x-ms-substatus", "1002"), nil
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil && strings.Contains(req.URL.Path, "/docs") && resp.StatusCode == http.StatusCreated {
			resp.Header.Set("x-ms-session-token", "0:-1#1000")
		}
		return resp, err
	})
	s := open(t, cfg)
	if err := s.Create(t.Context(), newKey(), record("content"), nobody, 0); err != nil {
		t.Fatal(err)
	}
	if infos, err := s.ListOwner(t.Context(), "test", "somebody"); err != nil || len(infos) != 1 {
		t.Errorf("ListOwner: %d, %v, want 1", len(infos), err)
	}
}

// TestOpen_ConsistencyOfTheAccount: a level that the account does not have is
// refused at the start, and not by every Load.
func TestOpen_ConsistencyOfTheAccount(t *testing.T) {
	t.Parallel()
	cfg := fresh(t)
	cfg.ConsistencyLevel = "Strong"
	cfg.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("x-ms-consistency-level") == "Strong" {
			return answered(req, http.StatusBadRequest), nil
		}
		return http.DefaultTransport.RoundTrip(req)
	})
	_, err := cosmosstore.Open(t.Context(), cfg)
	wantError(t, err, nil, "ConsistencyLevel")
	if errors.Is(err, session.ErrUnavailable) {
		t.Error("it is no failure that passes")
	}
}

// TestText_ThatIsNone: the service keeps UTF-8 only; two owners whose names are
// none would become one.
func TestText_ThatIsNone(t *testing.T) {
	t.Parallel()
	s := open(t, fresh(t))
	for _, bad := range []string{"\xff", "a\xc3"} {
		rec := record("content")
		rec.Owner = bad
		if err := s.Create(t.Context(), newKey(), rec, nobody, 0); err == nil || errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Create with the owner %q: %v", bad, err)
		}
		rec = record("content")
		rec.Namespace = bad
		if err := s.Create(t.Context(), newKey(), rec, nobody, 0); err == nil || errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Create with the namespace %q: %v", bad, err)
		}
	}
	replaced := record("content")
	replaced.Owner = "\ufffd" // what "\xff" becomes in JSON
	if err := s.Create(t.Context(), newKey(), replaced, nobody, 0); err != nil {
		t.Fatal(err)
	}
	if n, err := s.RemoveOwner(t.Context(), "test", "\xff", session.EndRevoked); err != nil || n != 0 {
		t.Errorf("RemoveOwner of an owner whose name is none ended %d, %v", n, err)
	}
	odd := "o'Neil\" OR 1=1 --\\\x00\u2028"
	key, token, rec := newKey(), session.NewToken(), record("content")
	rec.Owner, rec.Namespace = odd, odd
	if err := s.Create(t.Context(), key, rec, token, lease); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), key, rec, token, session.Commit{}); err != nil {
		t.Fatal(err)
	}
	other := rec
	other.Owner, other.Write = "somebody else", session.NewWriteID()
	if err := s.Create(t.Context(), newKey(), other, nobody, 0); err != nil {
		t.Fatal(err)
	}
	infos, err := s.ListOwner(t.Context(), odd, odd)
	if err != nil || len(infos) != 1 || infos[0].Key != key || infos[0].Owner != odd {
		t.Errorf("the owner with an odd name has %d sessions, %v", len(infos), err)
	}
}
