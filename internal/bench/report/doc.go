// Bench measures every figure of docs/performance.md, writes them into it
// between the marks of each, and draws docs/plots: `make bench`.
//
//	make bench                                    everything, some ten minutes
//	make bench BENCHFLAGS='-only=memory'           one part, and the others as they were measured last
//	make bench BENCHFLAGS='-quick -docs=bin/docs'   a try, with a copy of docs in bin
//
// Its parts are programs of their own, which run one after the other: the
// benchmarks of core, internal/bench/memory, internal/bench and
// internal/bench/sql. What each has measured stays in bin/figures.
package main
