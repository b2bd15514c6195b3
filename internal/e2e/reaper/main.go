// Reaper is one of several processes that remove what has expired from one
// table: sessions whose end nobody reports in bulk, the others when it has
// reported them, which it does by printing their keys. It stops when there is
// nothing left to claim.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	session "github.com/sessionstate/sessionstate/core"
	sqlstore "github.com/sessionstate/sessionstate/providers/sql"
)

func main() {
	table := flag.String("table", "", "`name` of the table")
	namespace := flag.String("namespace", "", "`name` of the sessions")
	every := flag.Int("every", 1, "delete one in so `many` of those that were claimed, and leave the others claimed")
	flag.Parse()
	if err := run(*table, *namespace, *every, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "reaper:", err)
		os.Exit(1)
	}
}

// run says that it is ready and begins when its input ends, so that all begin at
// once.
func run(table, namespace string, every int, stdin io.Reader, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := sqlstore.Open(ctx, os.Getenv("E2E_DSN"), sqlstore.Config{Table: table, Schema: sqlstore.SchemaVerify})
	if err != nil {
		return err
	}
	defer store.Close()
	fmt.Fprintln(stdout, "ready")
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	purged := make(chan error, 1)
	go func() { // beside the claims, as a Manager that purges while another claims
		_, err := store.Reap(ctx, namespace, -1, session.Token{}, 0)
		purged <- err
	}()
	err = claim(ctx, store, namespace, every, out)
	return errors.Join(err, <-purged, out.Flush())
}

// limit is how many sessions are claimed at once.
const limit = 200

// claim claims, reports and deletes until there is nothing left to claim.
func claim(ctx context.Context, store session.Store, namespace string, every int, out io.Writer) error {
	for {
		token := session.NewToken()
		ends, err := store.Reap(ctx, namespace, limit, token, time.Minute)
		if err != nil || len(ends) == 0 {
			return err
		}
		for i, e := range ends {
			if e.Reason != session.EndExpired || e.Attempts != 1 {
				return fmt.Errorf("a session ended as %v, at attempt %d", e.Reason, e.Attempts)
			}
			what := "kept"
			if i%every == 0 {
				what = "deleted"
				if err := store.Remove(ctx, e.Key, token, session.EndDelete); err != nil {
					return err
				}
			}
			fmt.Fprintln(out, what, hex.EncodeToString(e.Key[:]))
		}
	}
}
