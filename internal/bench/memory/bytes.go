package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"

	scsstore "github.com/alexedwards/scs/v2/memstore"
	"github.com/gofiber/fiber/v2"
	fibercontrib "github.com/gofiber/fiber/v2/middleware/session"
	gorillastore "github.com/quasoft/memstore"
	"github.com/valyala/fasthttp"

	session "github.com/sessionstate/sessionstate/core"
	"github.com/sessionstate/sessionstate/core/memstore"
	"github.com/sessionstate/sessionstate/internal/bench/clients"
	"github.com/sessionstate/sessionstate/internal/bench/figures"
)

// heap is how many bytes are in use.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// sizeOf returns how many bytes each of n sessions takes that store stores. What
// store returns is what keeps them.
func sizeOf(n int, store func() (keep any, err error)) (float64, error) {
	before := heap()
	keep, err := store()
	size := (heap() - before) / float64(n)
	runtime.KeepAlive(keep)
	return size, err
}

// bytesEach measures what a stored session takes.
func bytesEach(ctx context.Context, progress io.Writer, p plan, report *figures.Report) error {
	w := report.Block("memory-bytes")
	fmt.Fprintf(w, "| the library's store in memory, %d sessions with a text of %d bytes and a number | bytes each |\n| --- | ---: |\n", p.beside, text)
	picture := figures.Plot{Name: "bytes", Title: "Memory of a stored session: a text of 300 bytes and a number", Y: "bytes", Series: make([]figures.Series, 1)}
	for _, library := range []struct {
		name  string
		store func(ctx context.Context, n int) (keep any, err error)
	}{
		{ours, storeOurs}, {"scs", storeSCS}, {"fiber", storeFiber}, {"gorilla, memstore", storeGorilla},
	} {
		fmt.Fprintf(progress, "bytes: %s stores %d sessions\n", library.name, p.beside)
		size, err := sizeOf(p.beside, func() (any, error) { return library.store(ctx, p.beside) })
		if err != nil {
			return fmt.Errorf("%s: %w", library.name, err)
		}
		fmt.Fprintf(w, "| %s | %.0f |\n", library.name, size)
		picture.Bars = append(picture.Bars, library.name)
		picture.Series[0].Y = append(picture.Series[0].Y, size)
	}
	report.Plot(picture)

	fmt.Fprintf(w, "\n| memstore alone, %d idle sessions with %d bytes | bytes each |\n| --- | ---: |\n", p.many, text)
	var most float64
	for _, stored := range []struct {
		name   string
		writes int
	}{{"saved once", 1}, {"saved often", 9}} {
		fmt.Fprintf(progress, "bytes: stores %d sessions, %s\n", p.many, stored.name)
		size, err := sizeOf(p.many, func() (any, error) { return fill(ctx, p.many, stored.writes, 0) })
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %s | %.0f |\n", stored.name, size)
		most = max(most, size)
	}
	report.Target(figures.Target{
		Rank: figures.BytesPerSession, What: fmt.Sprintf("Memory, each of %d idle sessions of 300 B", p.many),
		Want: 600, Got: figures.Only(most), Unit: "B",
	})
	return nil
}

// storeOurs stores sessions through the middleware.
func storeOurs(ctx context.Context, n int) (any, error) {
	st := memstore.New()
	mgr, err := session.New(st, plain)
	if err != nil {
		return nil, err
	}
	c := newContender(ours, mgr)
	if err := c.FillAll(ctx, n, text, 1, nobody); err != nil {
		return nil, err
	}
	return st, c.close() // the clients and their cookies are not the store's
}

func storeSCS(ctx context.Context, n int) (any, error) {
	st := scsstore.NewWithCleanupInterval(0)
	_, handler := clients.SCS(st, 0)
	return st, (&clients.Service{Name: "scs", Handler: handler}).FillAll(ctx, n, text, 1, nobody)
}

func storeGorilla(_ context.Context, n int) (any, error) {
	st := gorillastore.NewMemStore([]byte("0123456789abcdef0123456789abcdef"))
	for i := range n {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		s, err := st.New(r, "session")
		if err != nil {
			return nil, err
		}
		s.Values["text"], s.Values["n"] = clients.Text(text, uint64(i)), 1
		if err := st.Save(r, httptest.NewRecorder(), s); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func storeFiber(_ context.Context, n int) (any, error) {
	app, st := fiber.New(), fibercontrib.New()
	for i := range n {
		c := app.AcquireCtx(new(fasthttp.RequestCtx))
		s, err := st.Get(c)
		if err == nil {
			s.Set("text", clients.Text(text, uint64(i)))
			s.Set("n", 1)
			err = s.Save()
		}
		app.ReleaseCtx(c)
		if err != nil {
			return nil, err
		}
	}
	return st, nil
}
