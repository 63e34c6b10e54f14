// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync"
)

const yieldTasks = 1000

func yieldOften(times int) {
	for i := 0; i < times; i++ {
		runtime.Gosched()
	}
}

func yieldTogether(times int) {
	var all sync.WaitGroup
	all.Add(yieldTasks)
	for i := 0; i < yieldTasks; i++ {
		go func() {
			yieldOften(times)
			all.Done()
		}()
	}
	all.Wait()
}

// ns per yield of a single goroutine.
func yieldAlone(where flavour) { measure("yield_1", where, 10_000_000, 10_000_000, yieldOften) }

// ns per yield with 1,000 goroutines that yield, including spawning and joining.
func yieldInCrowd(where flavour) { measure("yield_1000", where, 3000, 3000*yieldTasks, yieldTogether) }
