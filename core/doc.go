// Package session gives web services server-side sessions that only one
// request at a time may write, across every process of the service.
package session
