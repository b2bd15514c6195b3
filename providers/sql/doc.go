// Package sqlstore is a session.Store on PostgreSQL.
package sqlstore
