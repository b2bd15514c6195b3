// Package clients is what makes the requests of the benchmarks: services whose
// handlers read or change a session, each with as many sessions as there shall
// be, and clients that call them without a network, from as many goroutines.
// Every answer is checked, and at the end a Service proves that what was to be
// stored is stored: what does nothing would be fast.
package clients
