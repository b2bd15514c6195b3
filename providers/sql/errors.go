package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	session "github.com/sessionstate/sessionstate/core"
)

var (
	errZeroToken      = errors.New("the zero token names nobody")
	errNoLease        = errors.New("a lock that is handed on needs a lease: Commit.Next without Commit.Keep")
	errBadText        = errors.New("namespace and owner must be valid UTF-8 without zero bytes, of at most 1000 bytes each")
	errAgain          = errors.New("try again") // of one step to the next, never returned
	errClosed         = errors.New("the store is closed")
	errCommandTimeout = errors.New("no answer within Config.CommandTimeout")
	errStandby        = errors.New("the database takes no writes: it is a standby, or default_transaction_read_only is on")
)

// failed says in which operation err occurred. A *LockedError needs no such
// words: it is no failure, and the caller's loop gets it again and again.
func failed(op string, err error) error { return fmt.Errorf("sqlstore: %s: %w", op, err) }

// unavailable is what a caller gets when the database does not do what it is
// asked (S15). It names the cause and, where one is known, the remedy.
func unavailable(op string, err error) error {
	if hint := remedy(err); hint != "" {
		return fmt.Errorf("sqlstore: %s: %w: %w: %s", op, session.ErrUnavailable, withoutConfig(err), hint)
	}
	return fmt.Errorf("sqlstore: %s: %w: %w", op, session.ErrUnavailable, withoutConfig(err))
}

// withoutConfig takes the connection's configuration, which has the password
// in it, out of an error.
func withoutConfig(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("cannot connect: %w", errors.Unwrap(connect))
	}
	return err
}

// contractual says whether err is an answer, not a failure.
func contractual(err error) bool {
	for _, answer := range []error{
		session.ErrNotFound, session.ErrLocked, session.ErrLockLost, session.ErrExists, session.ErrRenewed,
		session.ErrConflict, session.ErrTooLarge, session.ErrOutcomeUnknown,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// verdict is what a failure means for the attempt that met it.
type verdict struct {
	retry     bool // it may pass
	ambiguous bool // the statement may have taken effect
	broken    bool // the connection is no good any more
	locked    bool // somebody else has the row locked
}

// judge says what a failure means. The statements are all such that they may
// be repeated (S6), so it need not know whether they took effect to try again,
// but has to tell the next attempt.
func judge(err error) verdict {
	var connect *pgconn.ConnectError
	if code := sqlState(err); code != "" {
		return judgeState(code)
	}
	switch {
	case errors.As(err, &connect):
		return verdict{retry: true} // nothing was sent
	case errors.As(err, new(*shortageError)):
		return verdict{} // nor here, and all the time there was has passed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return verdict{ambiguous: true} // it has had its time
	case pgconn.SafeToRetry(err):
		return verdict{retry: true, broken: true}
	case connectionLost(err):
		return verdict{retry: true, ambiguous: true, broken: true}
	}
	return verdict{ambiguous: true}
}

func judgeState(code string) verdict {
	switch code {
	case "40001", "40P01": // serialization failure, deadlock
		return verdict{retry: true}
	case "53300", "57P03": // too many connections, starting up
		return verdict{retry: true}
	case "55P03": // lock not available: see lockPatience
		return verdict{retry: true, locked: true}
	case "57P01", "57P02", "57P05": // the server stops, or ended this session
		return verdict{retry: true, ambiguous: true, broken: true}
	case "25006": // read-only: after a failover this connection may lead to what is now a standby
		return verdict{retry: true, broken: true}
	case "0A000", "26000": // a cached plan or statement that is no more, perhaps on each connection
		return verdict{retry: true}
	case "08P01": // behind a pooler it means a wrong configuration
		return verdict{}
	}
	if strings.HasPrefix(code, "08") { // connection exceptions
		return verdict{retry: true, ambiguous: true, broken: true}
	}
	return verdict{}
}

// connectionLost says whether err is the end of a connection.
func connectionLost(err error) bool {
	for _, end := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, pgconn.ErrConnClosed,
		syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// remedy says what a person can do about a failure that does not pass.
func remedy(err error) string {
	code := sqlState(err)
	switch code {
	case "28P01", "28000":
		return "check the user, the password and pg_hba.conf"
	case "3D000":
		return "create the database, or name another"
	case "42P01", "42703", "3F000":
		return "the table is missing or is not this version's: make the Store anew with Schema: SchemaCreate, or run SchemaSQL"
	case "42501":
		return "grant SELECT, INSERT, UPDATE and DELETE on the table, and USAGE on its schema, to this user"
	case "53100":
		return "the database's disk is full"
	case "53200":
		return "the database is out of memory"
	case "53300":
		return "raise max_connections, or lower the pools' MaxConns"
	case "42P05", "26000", "08P01":
		return "behind pgbouncer in transaction mode set default_query_exec_mode=cache_describe, and Config.Listen to ListenOff"
	case "25006":
		return "the database takes no writes: name the primary, or set target_session_attrs=read-write"
	case "55P03":
		return "another transaction keeps the session's row locked: find it in pg_stat_activity, and end it"
	case "57014":
		return "the server's statement_timeout is too short, or an administrator cancelled the statement"
	}
	return ""
}
