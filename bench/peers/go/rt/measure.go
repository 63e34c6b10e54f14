// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"sort"
	"syscall"
	"time"
	"unsafe"
)

// flavour says on how many threads goroutines run.
type flavour struct {
	name       string
	processors int
}

var (
	ct = flavour{"ct", 1}
	w2 = flavour{"w2", 2}
)

func report(metric string, where flavour, unit string, value float64) {
	fmt.Printf("%s/%s,%s,%.3f\n", metric, where.name, unit, value)
}

// reportPercentiles prints the median and the 99th percentile of times, in microseconds.
func reportPercentiles(metric string, where flavour, times []time.Duration) {
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	for _, percent := range []int{50, 99} {
		at := times[len(times)*percent/100]
		report(fmt.Sprintf("%s_p%d", metric, percent), where, "us", float64(at)/1e3)
	}
}

// check ends the program, with the sentence, if a case came to a wrong result.
func check(isRight bool, otherwise string) {
	if !isRight {
		fmt.Fprintln(os.Stderr, "wrong result:", otherwise)
		os.Exit(134)
	}
}

// opaque is value, of which the compiler knows nothing any more.
//
//go:noinline
func opaque(value uint64) uint64 { return value }

// measure is the usual case: body(times / 10) to warm up, then body(times) by the clock, in a goroutine that main waits
// for. It reports the nanoseconds of each of the operations.
func measure(metric string, where flavour, times, operations int, body func(times int)) {
	result := make(chan time.Duration)
	go func() {
		body(times / 10)
		start := time.Now()
		body(times)
		result <- time.Since(start)
	}()
	report(metric, where, "ns", float64(<-result)/float64(operations))
}

func milliseconds(taken time.Duration) float64 { return float64(taken) / 1e6 }

// cpuTime is the processor time of the whole process. getrusage would be simpler, but counts in steps.
func cpuTime() time.Duration {
	const clockProcessCputimeID = 2 // clock_gettime(2)
	var now syscall.Timespec
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCputimeID, uintptr(unsafe.Pointer(&now)), 0)
	check(failed == 0, "there is no clock of the processor time")
	return time.Duration(now.Nano())
}

// contextSwitches is how often the kernel switched away from a thread of the process, voluntarily or not.
func contextSwitches() int64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage failed")
	return usage.Nvcsw + usage.Nivcsw
}

// residentBytes is the resident memory of the process.
func residentBytes() uint64 {
	var size, resident uint64
	statm, err := os.ReadFile("/proc/self/statm")
	check(err == nil, "/proc/self/statm could not be read")
	_, err = fmt.Sscan(string(statm), &size, &resident)
	check(err == nil, "/proc/self/statm is not as it was")
	return resident * uint64(os.Getpagesize())
}
