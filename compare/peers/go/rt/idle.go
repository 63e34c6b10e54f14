// SPDX-License-Identifier: MIT

package main

import "time"

// Processor time and context switches while 10,000 tasks wait forever, one sleeps for an hour, and main sleeps for 2 s.
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
