package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// flood is what came of the first attack on one adapter.
type flood struct {
	adapter  string
	kinds    []*flooded
	before   usage // after some requests without a cookie, which warm up
	calm     usage // after as many more: its peak is what the others' is compared with
	after    usage // after all
	peak     int   // the most of any hostile kind
	sessions int
}

// flooded is what came of one kind.
type flooded struct {
	kind
	requests  int
	cookies   int // that replies have set
	statuses  map[int]int
	processor time.Duration
}

// What is allowed beyond what requests without a cookie take: what the Manager
// remembers of recent IDs, which is bounded (M14), and what a collector leaves
// lying about.
const (
	heapAllowance = 16 << 20 // bytes
	peakAllowance = 96 << 10 // kilobytes
)

const (
	connections = 16
	rounds      = 4 // in which the kinds take turns, so that they meet the same machine
)

// floodWith makes the requests of all kinds, in turns.
func floodWith(ctx context.Context, set *settings, adapter string) (_ *flood, err error) {
	t, err := startTarget(ctx, set, adapter)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	f := &flood{adapter: adapter}
	for _, k := range kinds() {
		f.kinds = append(f.kinds, &flooded{kind: k, statuses: make(map[int]int)})
	}
	// Two of the kinds are there for comparison.
	each := max(connections, set.requests/len(set.adapters)/(len(f.kinds)-2)/rounds)
	warm := &flooded{kind: f.kinds[0].kind, statuses: make(map[int]int)}
	for _, into := range []*usage{&f.before, &f.calm} {
		if err := t.flood(ctx, warm, each, 0); err != nil {
			return nil, err
		}
		if *into, err = t.usage(ctx); err != nil {
			return nil, err
		}
	}
	last := f.calm
	for round := range rounds {
		for _, k := range f.kinds {
			if err := t.flood(ctx, k, each, uint64(round+1)); err != nil {
				return nil, fmt.Errorf("%s: %w", k.name, err)
			}
			now, err := t.usage(ctx)
			if err != nil {
				return nil, err
			}
			k.processor += now.Processor - last.Processor
			f.peak, f.sessions = max(f.peak, now.Peak), max(f.sessions, now.Sessions)
			last = now
		}
	}
	f.after = last
	return f, nil
}

// flood makes n requests of one kind, over several connections.
func (t *target) flood(ctx context.Context, k *flooded, n int, seed uint64) error {
	results := make([]*flooded, connections)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			results[i] = &flooded{kind: k.kind, statuses: make(map[int]int)}
			errs[i] = t.stream(ctx, results[i], (n+connections-1)/connections, rand.New(rand.NewPCG(seed, uint64(i))))
		})
	}
	wg.Wait()
	for _, r := range results {
		k.requests += r.requests
		k.cookies += r.cookies
		for status, n := range r.statuses {
			k.statuses[status] += n
		}
	}
	return errors.Join(errs...)
}

// paths are asked for in turn. None of them stores anything.
var paths = []string{"/plain", "/read", "/look"}

// stream makes requests one after the other over a connection, and over a new one
// where the service closes it.
func (t *target) stream(ctx context.Context, k *flooded, n int, rng *rand.Rand) error {
	var conn net.Conn
	var replies *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	var request []byte
	for i := range n {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", t.address); err != nil {
				return err
			}
			replies = bufio.NewReader(conn)
		}
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		request = append(request[:0], "GET "...)
		request = append(request, paths[i%len(paths)]...)
		request = append(request, " HTTP/1.1\r\nHost: localhost\r\n"...)
		request = append(k.write(rng, request), "\r\n"...)
		if _, err := conn.Write(request); err != nil {
			return err
		}
		reply, err := readReply(replies)
		if err != nil {
			return fmt.Errorf("after %d requests: %w", i, err)
		}
		k.requests++
		k.statuses[reply.status]++
		if reply.cookie {
			k.cookies++
		}
		if reply.close {
			conn.Close()
			conn = nil
		}
	}
	return nil
}

// reply is what of a reply matters.
type reply struct {
	status        int
	cookie, close bool
}

// readReply reads a reply that has a length, as small ones do. The standard
// library's reader would take longer than the service.
func readReply(r *bufio.Reader) (rep reply, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return rep, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return rep, fmt.Errorf("no reply of HTTP: %q", line)
	}
	if rep.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return rep, err
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return rep, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 0:
			_, err = r.Discard(length)
			return rep, err
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return rep, err
			}
		case bytes.EqualFold(name, []byte("Set-Cookie")):
			rep.cookie = true
		case bytes.EqualFold(name, []byte("Connection")):
			rep.close = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// perRequest is the service's processor time for one.
func (k *flooded) perRequest() time.Duration {
	return k.processor / time.Duration(max(1, k.requests))
}

// check returns what is wrong.
func (f *flood) check() error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{f.adapter}, args...)...))
	}
	for _, k := range f.kinds {
		if k.cookies > 0 {
			wrong("%d replies to %s cookies gave a cookie out", k.cookies, k.name)
		}
		for status, n := range k.statuses {
			if status >= 500 && status != 505 || status < 200 || k.name == noCookie && status != 200 {
				wrong("%d replies to %s cookies had the status %d", n, k.name, status)
			}
		}
	}
	if f.sessions > 0 {
		wrong("%d sessions are stored", f.sessions)
	}
	if f.after.Heap > f.before.Heap+heapAllowance {
		wrong("the heap has grown from %d to %d bytes", f.before.Heap, f.after.Heap)
	}
	if f.calm.Peak > 0 && f.peak > f.calm.Peak+peakAllowance {
		wrong("it took up to %d kB of memory, and %d kB without hostile cookies", f.peak, f.calm.Peak)
	}
	return errors.Join(errs...)
}

// printFloods prints a line for each adapter and kind.
func printFloods(w io.Writer, floods []*flood) {
	fmt.Fprintf(w, "Hostile cookies, %d connections, paths %s; memory store.\n\n", connections, strings.Join(paths, ", "))
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "adapter\tcookie\t|\trequests\tstatuses\tcookies given\tsessions stored\t|\tprocessor time\tagainst none\t")
	for _, f := range floods {
		none := f.kinds[0].perRequest()
		for _, k := range f.kinds {
			var statuses []string
			for _, s := range slices.Sorted(maps.Keys(k.statuses)) {
				statuses = append(statuses, fmt.Sprintf("%d: %d", s, k.statuses[s]))
			}
			fmt.Fprintf(t, "%s\t%s\t|\t%d\t%s\t%d\t%d\t|\t%.1fµs\t%.2f\t\n", f.adapter, k.name, k.requests, strings.Join(statuses, ", "),
				k.cookies, f.sessions, float64(k.perRequest())/1e3, float64(k.perRequest())/float64(max(1, none)))
		}
	}
	t.Flush()
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "adapter\t|\theap before\tafter\t|\tmemory before\tmost without a cookie\tmost with hostile ones\tafter\t|\tgoroutines before\tafter\t")
	for _, f := range floods {
		fmt.Fprintf(t, "%s\t|\t%.1fMB\t%.1fMB\t|\t%.1fMB\t%.1fMB\t%.1fMB\t%.1fMB\t|\t%d\t%d\t\n", f.adapter,
			float64(f.before.Heap)/1e6, float64(f.after.Heap)/1e6, kilobytes(f.before.Resident), kilobytes(f.calm.Peak),
			kilobytes(f.peak), kilobytes(f.after.Resident), f.before.Goroutines, f.after.Goroutines)
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, k := range kinds() {
		fmt.Fprintf(w, "%s: %s. ", k.name, k.title)
	}
	fmt.Fprint(w, "\nprocessor time: of the service, for one request, HTTP included.\n")
}

func kilobytes(n int) float64 { return float64(n) / 1e3 }
