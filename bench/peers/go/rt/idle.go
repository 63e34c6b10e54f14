// SPDX-License-Identifier: MIT

package main

import "time"

// What a runtime uses while 10,000 tasks wait for ever and one for an hour, and main sleeps for two seconds.
func idle(where flavour) {
	const tasks = 10_000
	expected := parked() + tasks
	go time.Sleep(time.Hour)
	for i := 0; i < tasks; i++ {
		go park()
	}
	time.Sleep(200 * time.Millisecond)
	check(parked() == expected, "all tasks wait")

	cpu, switches := cpuTime(), contextSwitches()
	time.Sleep(2 * time.Second)
	report("idle_cpu_2s", where, "ms", milliseconds(cpuTime()-cpu))
	report("idle_switches_2s", where, "count", float64(contextSwitches()-switches))
}
