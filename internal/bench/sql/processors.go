package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/sessionstate/sessionstate/internal/bench/clients"
)

// processors tells how much processor time this process and the server have
// used. Unlike throughput that depends little on what else the machine does.
type processors struct {
	files []string // of the server's processes; none if they are not to be seen
}

// findProcessors looks for the processes that the server has at the moment.
func findProcessors(ctx context.Context, db *pgx.Conn) (*processors, error) {
	rows, err := db.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	if err != nil {
		return nil, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, err
	}
	p := new(processors)
	for _, pid := range pids {
		if !runsPostgres(pid) {
			return new(processors), nil
		}
		p.files = append(p.files, fmt.Sprintf("/proc/%d/schedstat", pid))
	}
	return p, nil
}

// runsPostgres says whether that process is this machine's: those of a server
// elsewhere have the numbers of other processes here, or of none.
func runsPostgres(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err == nil && strings.HasPrefix(string(name), "postgres")
}

func (p *processors) read() (u clients.Used) {
	var own syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil {
		u.Client = 1e6*float64(own.Utime.Sec+own.Stime.Sec) + float64(own.Utime.Usec+own.Stime.Usec)
	}
	for _, file := range p.files {
		var ns float64
		if data, err := os.ReadFile(file); err == nil {
			if _, err := fmt.Sscan(string(data), &ns); err == nil {
				u.Server += ns / 1000
			}
		}
	}
	return u
}
