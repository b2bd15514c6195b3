package shoptest

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessionstate/sessionstate/examples/internal/serve"
)

// streamed is how long the stream of Stream is, in real time.
const streamed = 3 * time.Second

// Stream follows server-sent events, which the probe /probe/events sends after
// Release, and changes the session all the while: nobody waits for the stream.
func Stream(t *testing.T, build serve.Build) {
	t.Parallel()
	s := newScript(t, build)
	s.do(post("/cart/add", "sku", "mug"))
	begun := time.Now()
	conn, err := send(s.addr, s.reveal(get("/probe/events?for="+streamed.String()).wire(s.cookie)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	res, err := http.ReadResponse(conn.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("status %d and Content-Type %q", res.StatusCode, kind)
	}

	events := 0
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		event, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		events++
		if want := fmt.Sprint("event ", events); event != want {
			t.Errorf("got %q, want %q", event, want)
		}
		if r := s.do(post("/cart/add", "sku", "mug")); r.status != http.StatusSeeOther {
			t.Errorf("a change while the stream goes on: status %d\n%s", r.status, r.body)
		}
	}
	if err := lines.Err(); err != nil {
		t.Error("the stream's end:", err)
	}
	if took := time.Since(begun); took < streamed || events < 10 {
		t.Errorf("the stream took %v and had %d events", took, events)
	}
	if n := s.use.waits(); n != 0 {
		t.Errorf("%d of %d changes had to wait for the session", n, events)
	}
	if err := s.use.over(); err != nil {
		t.Error(err)
	}
	stored, err := s.store.contents(t.Context(), s.ids)
	if want := fmt.Sprintf(`{"sku":"mug","quantity":%d}`, 1+events); err != nil || !strings.Contains(stored[s.cookie], want) {
		t.Errorf("the changes of the time of the stream: %v, %v; want %s", stored, err, want)
	}
}
