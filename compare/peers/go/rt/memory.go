// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

var (
	started uint64
	never   = make(chan struct{}) // has no sender
)

// park increments the counter of parked and then waits forever.
func park() {
	atomic.AddUint64(&started, 1)
	<-never
}

// parked returns the number of tasks that have started park in this process.
func parked() uint64 { return atomic.LoadUint64(&started) }

// Number and bytes of allocations per task that is spawned and joined. The runtime counts its whole heap. Stacks are
// not on the heap, but new goroutines reuse the stacks of ended ones.
func memSpawn(where flavour) {
	const tasks = 100_000
	joinOneAtATime(tasks)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	joinOneAtATime(tasks)
	runtime.ReadMemStats(&after)
	report("mem_allocs_per_spawn", where, "count", float64(after.Mallocs-before.Mallocs)/tasks)
	report("mem_alloc_bytes_per_spawn", where, "bytes", float64(after.TotalAlloc-before.TotalAlloc)/tasks)
}

// Resident bytes per detached task that waits forever.
func memParked(where flavour) {
	const tasks = 1_000_000
	joinInBatches(100)
	before, expected := residentBytes(), parked()+tasks
	for i := 0; i < tasks; i++ {
		go park()
	}
	for parked() != expected {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	report("mem_rss_parked_task", where, "bytes", float64(residentBytes()-before)/tasks)
}
