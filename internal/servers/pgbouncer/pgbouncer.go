// Package pgbouncer runs a PgBouncer of one's own in transaction mode in front
// of a PostgreSQL server: in a temporary folder, on a random port of 127.0.0.1.
package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessionstate/sessionstate/internal/servers/process"
)

// ErrNotFound is returned where the machine has no PgBouncer.
var ErrNotFound = errors.New("no pgbouncer found")

// Server is a running PgBouncer.
type Server struct {
	folder *process.Folder
	to     *pgconn.Config
	port   int
}

const (
	// PoolSize is how many connections to PostgreSQL there are at most: few,
	// so that clients do have to share them.
	PoolSize = 20

	// startTime is how long a start may take.
	startTime = 30 * time.Second
)

// errPortTaken: somebody else got the port first.
var errPortTaken = errors.New("the port is taken")

// Find returns the path of the program: what PATH has, or else where packages
// put it.
func Find() (string, error) { return find(os.Getenv("PATH")) }

func find(path string) (string, error) {
	for _, dir := range append(filepath.SplitList(path), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin") {
		file := filepath.Join(dir, "pgbouncer")
		if info, err := os.Stat(file); err == nil && filepath.IsAbs(file) && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", ErrNotFound
}

// Start starts a PgBouncer in front of the server of a DSN, and waits until one
// can get through, at most 30 seconds. It ends with Close, and with this process
// however that ends. Clients log in as the user of the DSN, who is also the
// administrator of PgBouncer's own database, pgbouncer.
func Start(ctx context.Context, dsn string) (*Server, error) {
	s, err := newServer(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("pgbouncer: %w", err)
	}
	return s, nil
}

func newServer(ctx context.Context, dsn string) (*Server, error) {
	program, err := Find()
	if err != nil {
		return nil, err
	}
	to, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the DSN of PostgreSQL cannot be parsed") // pgx's error quotes it
	}
	folder, err := process.NewFolder("sessionstate-pgbouncer", syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, to: to}
	for range 10 {
		if s.port, err = process.FreePort(); err != nil {
			break
		}
		if err = s.start(ctx, program); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, folder.Remove())
	}
	return s, nil
}

// DSN returns the URL of the database behind the PgBouncer, with the password.
func (s *Server) DSN() string { return s.dsn(s.to.Database) }

// AdminDSN returns the URL of PgBouncer's own database, which knows SHOW POOLS
// and the like. It takes simple queries only.
func (s *Server) AdminDSN() string { return s.dsn("pgbouncer") }

// Close ends the PgBouncer and cuts its connections. Closing it twice does
// nothing.
func (s *Server) Close() error {
	if err := s.folder.Remove(); err != nil {
		return fmt.Errorf("pgbouncer: %w", err)
	}
	return nil
}

// start starts the program and waits until a query gets through.
func (s *Server) start(ctx context.Context, program string) error {
	if err := s.configure(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, errors.New("it does not answer after 30 seconds"))
	defer cancel()
	p, err := s.folder.Start(program, s.folder.Path("pgbouncer.ini"))
	if err != nil {
		return err
	}
	running, ended := p.Context(ctx)
	defer ended()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		refused := s.ask(running)
		if refused == nil {
			return nil
		}
		select {
		case <-p.Done():
			if strings.Contains(p.Log(), "Address already in use") {
				return fmt.Errorf("port %d: %w", s.port, errPortTaken)
			}
			return fmt.Errorf("it ended at once; its log:\n%s", p.Log())
		case <-ctx.Done():
			return fmt.Errorf("%w: %w; its log:\n%s", context.Cause(ctx), refused, p.Log())
		case <-retry.C:
		}
	}
}

// ask sends a query through, after it made sure that it is this PgBouncer that
// listens: somebody else's may have the port.
func (s *Server) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, q := range []struct{ dsn, query, want string }{
		{s.AdminDSN(), "SHOW CONFIG", s.folder.Path("users")},
		{s.DSN(), "SELECT 1", "1"},
	} {
		conn, err := pgconn.Connect(ctx, q.dsn)
		if err != nil {
			return err
		}
		results, err := conn.Exec(ctx, q.query).ReadAll()
		conn.Close(ctx)
		if err != nil {
			return err
		}
		if !has(results, q.want) {
			return errors.New("another server answers")
		}
	}
	return nil
}

// has reports whether some result has a field with that value.
func has(results []*pgconn.Result, value string) bool {
	for _, r := range results {
		for _, row := range r.Rows {
			for _, field := range row {
				if string(field) == value {
					return true
				}
			}
		}
	}
	return false
}

// configure writes the configuration and the list of users.
func (s *Server) configure() error {
	auth := "scram-sha-256"
	if s.to.Password == "" {
		auth = "trust"
	}
	tls := "disable"
	if s.to.TLSConfig != nil {
		tls = "prefer"
	}
	ini := fmt.Sprintf(`[databases]
* = host=%s port=%d

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = %s
auth_file = %s
admin_users = %s
pool_mode = transaction
max_client_conn = 500
default_pool_size = %d
server_tls_sslmode = %s
server_login_retry = 1
log_connections = 0
log_disconnections = 0
log_stats = 0
`, s.to.Host, s.to.Port, s.port, auth, s.folder.Path("users"), s.to.User, PoolSize, tls)
	quote := strings.NewReplacer(`"`, `""`)
	users := fmt.Sprintf("\"%s\" \"%s\"\n", quote.Replace(s.to.User), quote.Replace(s.to.Password))
	if err := s.folder.WriteFile("users", users); err != nil {
		return err
	}
	return s.folder.WriteFile("pgbouncer.ini", ini)
}

func (s *Server) dsn(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(s.to.User, s.to.Password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}
