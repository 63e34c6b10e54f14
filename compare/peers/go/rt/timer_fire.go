// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

const sleepers = 100_000

func lateness(deadline time.Time) time.Duration {
	time.Sleep(time.Until(deadline))
	late := time.Since(deadline)
	check(late >= 0, "a sleep does not end early")
	return late
}

func sleepAll() []time.Duration {
	start := time.Now()
	late := make([]time.Duration, sleepers)
	var all sync.WaitGroup
	all.Add(sleepers)
	for i := range late {
		// Evenly distributed over a second, unordered.
		deadline := start.Add(200*time.Millisecond + time.Duration(i*7919%sleepers)*10*time.Microsecond)
		i := i
		go func() {
			late[i] = lateness(deadline)
			all.Done()
		}()
	}
	all.Wait()
	return late
}

// The processor time of 100,000 sleeps that fire, in ms, and their lateness, in us.
func timerFire(where flavour) {
	before := cpuTime()
	late := sleepAll()
	report("timer_fire_cpu", where, "ms", milliseconds(cpuTime()-before))
	reportPercentiles("timer_fire_late", where, late)
}
