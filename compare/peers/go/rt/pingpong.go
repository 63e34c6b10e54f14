// SPDX-License-Identifier: MIT

package main

import "time"

func ask(to, from chan uint64, times int) {
	for i := uint64(0); i < uint64(times); i++ {
		to <- i
		check(<-from == i+1, "the answer is the next number")
	}
}

func answer(from, to chan uint64) {
	for asked := range from {
		to <- asked + 1
	}
}

// ns per round trip over two channels of capacity 1.
func pingpongChan(where flavour) {
	const times = 200_000
	asked, answered := make(chan uint64, 1), make(chan uint64, 1)
	result := make(chan time.Duration)
	go answer(asked, answered)
	go func() {
		ask(asked, answered, times/10)
		start := time.Now()
		ask(asked, answered, times)
		result <- time.Since(start)
		close(asked)
	}()
	report("pingpong_chan", where, "ns", float64(<-result)/times)
}
