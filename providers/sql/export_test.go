package sqlstore

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Prepare does with steps of the caller's what New does with those of the
// package.
func (c Config) Prepare(ctx context.Context, db *pgx.Conn, steps []string) error {
	c, err := c.withDefaults()
	if err == nil {
		_, err = c.prepare(ctx, db, steps)
	}
	return err
}

// Steps returns the package's own.
func Steps() ([]string, error) { return steps() }

// Columns are those that the table must have.
func Columns() [][2]string { return columns }
