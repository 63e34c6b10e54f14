// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

var left int64

func countDown(over chan struct{}) {
	if atomic.AddInt64(&left, -1) == 0 {
		over <- struct{}{}
	}
}

func spawnAll(tasks int64) {
	over := make(chan struct{})
	atomic.StoreInt64(&left, tasks)
	for i := int64(0); i < tasks; i++ {
		go countDown(over)
	}
	<-over
}

// ns per task that main spawns, until the last task has run. Go has no threads outside of its runtime. A goroutine
// that is locked to a thread is the closest equivalent, because its thread cannot run the new goroutines.
func spawnRemote(where flavour) {
	const tasks = 1_000_000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	spawnAll(tasks / 10)
	start := time.Now()
	spawnAll(tasks)
	report("spawn_remote", where, "ns", float64(time.Since(start))/tasks)
}
