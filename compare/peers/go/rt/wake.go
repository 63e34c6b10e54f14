// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"time"
)

// The age of a time stamp that another thread sends to a sleeping runtime, in us. The sender is a goroutine that is
// locked to a thread, because Go has no threads outside of its runtime.
func wakeExternal(where flavour) {
	const times = 2000
	channels := make([]chan time.Time, times)
	for i := range channels {
		channels[i] = make(chan time.Time, 1)
	}
	go func() {
		runtime.LockOSThread()
		time.Sleep(20 * time.Millisecond)
		for _, channel := range channels {
			time.Sleep(300 * time.Microsecond)
			channel <- time.Now()
		}
	}()
	ages := make(chan []time.Duration)
	go func() {
		found := make([]time.Duration, times)
		for i, channel := range channels {
			found[i] = time.Since(<-channel)
		}
		ages <- found
	}()
	reportPercentiles("wake_external", where, <-ages)
}

func spawnAndBlock(times int) []time.Duration {
	taken := make([]time.Duration, times)
	result := make(chan uint64)
	for i := range taken {
		number := uint64(i)
		start := time.Now()
		go func() { result <- opaque(number) }()
		answer := <-result
		taken[i] = time.Since(start)
		check(answer == number, "a task returns its number")
	}
	return taken
}

// The time that main needs to spawn a task and block for its result, in us. main is locked to a thread, as above.
func blockOnSpawn(where flavour) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	spawnAndBlock(500)
	reportPercentiles("block_on_spawn", where, spawnAndBlock(5000))
}
