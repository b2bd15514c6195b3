package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

const secret = "hunter2-secret"

// keepsSecret reports an error that has the password in it, anywhere in what it
// wraps, in a text or in a field that a logger would print.
func keepsSecret(tb testing.TB, err error) {
	tb.Helper()
	if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) {
		tb.Errorf("%v wraps a *pgconn.ConnectError, whose Config has the password", err)
	}
	if parse := (*pgconn.ParseConfigError)(nil); errors.As(err, &parse) {
		tb.Errorf("%v wraps a *pgconn.ParseConfigError, which has the text", err)
	}
	var walk func(error)
	walk = func(err error) {
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			if strings.Contains(text, secret) || strings.Contains(text, "hunter2") {
				tb.Errorf("the password is in %s", text)
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if err := e.Unwrap(); err != nil {
				walk(err)
			}
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		}
	}
	if err != nil {
		walk(err)
	}
}

// TestOpen_KeepsThePassword: whatever is wrong with a data source name, the
// error does not repeat what may be secret in it.
func TestOpen_KeepsThePassword(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"postgres://user:" + secret + "@host:port/db",
		"postgres://user:" + secret + "%zz@host/db",
		"postgres://user:" + secret + "@[::1/db",
		"postgres://user:" + secret + "#x@127.0.0.1:1/db",
		"postgres://user:" + secret + "/x@127.0.0.1:1/db",
		"postgres://user:" + secret + "?x@127.0.0.1:1/db",
		"postgres://user:1/" + secret + "@127.0.0.1:1/db",
		"postgres://user:x " + secret + "@127.0.0.1:1/db",
		"postgres://user:" + secret + "@127.0.0.1:1/db?sslmode=bogus",
		"postgres://user:" + secret + "@127.0.0.1:1/db?pool_max_conns=many",
		"postgres://user:" + secret + "@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/nowhere",
		"postgres://127.0.0.1:port/db?user=user&password=" + secret,
		"postgres://user:" + secret + "@127.0.0.1:1/db?default_query_exec_mode=bogus",
		"user=user password=" + secret + " port=abc",
		"user=user password='" + secret,
		"user=user password=" + secret + " host=127.0.0.1 port=1 connect_timeout=soon",
		"user=user password=x " + secret + " host=127.0.0.1",
		"password" + secret,
		secret,
		":" + secret + "@host/db",
		// These are in order, but nobody is there.
		"postgres://user:" + secret + "@127.0.0.1:1/db",
		"user=user password=" + secret + " host=127.0.0.1 port=1 dbname=db",
		"user=user password=" + secret + " host=/nowhere dbname=db",
		"postgres://user:" + secret + "@name.invalid/db?connect_timeout=1",
	} {
		st, err := sqlstore.Open(limit(t, 500*time.Millisecond), dsn, sqlstore.Config{MaxRetries: -1})
		if err == nil {
			st.Close()
			t.Errorf("%s: opened", dsn)
		}
		keepsSecret(t, err)
	}
}

// TestOpen_Unreachable: a server that cannot be reached, or lets nobody in, is
// reported within the caller's time, as ErrUnavailable, with what to do.
func TestOpen_Unreachable(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nobody := free.Addr().(*net.TCPAddr)
	free.Close()
	hangs, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, as the system does, and says nothing
	must(t, err)
	defer hangs.Close()
	port := func(a net.Addr) string { return fmt.Sprint(a.(*net.TCPAddr).Port) }

	for _, c := range []struct {
		name, dsn string
		needsTime bool // it is said when the caller's time is up
		want      string
	}{
		{name: "wrong password", dsn: with(db.dsn, "password", secret), want: "check the user, the password and pg_hba.conf"},
		{name: "unknown role", dsn: with(db.dsn, "user", "nobody_of_that_name", "password", secret), want: "check the user, the password and pg_hba.conf"},
		{name: "unknown database", dsn: with(db.dsn, "database", "no_such_database"), want: "create the database, or name another"},
		{name: "nobody listens", dsn: with(db.dsn, "host", "127.0.0.1", "port", port(nobody), "password", secret), want: "refused"},
		{name: "says nothing", dsn: with(db.dsn, "host", "127.0.0.1", "port", port(hangs.Addr()), "password", secret), needsTime: true, want: "cannot connect in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const patience = 3 * time.Second
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			begun := time.Now()
			st, err := sqlstore.Open(ctx, c.dsn, sqlstore.Config{Table: db.table()})
			took := time.Since(begun)
			if err == nil {
				st.Close()
				t.Skip("this server asks for no password, or there is one")
			}
			if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ErrUnavailable that says %q", err, c.want)
			}
			if took > patience+time.Second || c.needsTime != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("took %v: %v", took, err)
			}
			keepsSecret(t, err)
		})
	}
}

// TestS15_ServerThatSaysNothing: without a deadline of the caller's,
// CommandTimeout ends the wait.
func TestS15_ServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer hangs.Close()
	done := make(chan error, 1)
	go func() {
		_, err := sqlstore.Open(context.Background(), "postgres://user:"+secret+"@"+hangs.Addr().String()+"/db?sslmode=disable",
			sqlstore.Config{CommandTimeout: 200 * time.Millisecond})
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "cannot connect in time") {
			t.Error(err)
		}
		keepsSecret(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("hangs")
	}
}
