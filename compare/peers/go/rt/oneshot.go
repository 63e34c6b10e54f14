// SPDX-License-Identifier: MIT

package main

func sendToSelf(count int) {
	sum := uint64(0)
	for i := 0; i < count; i++ {
		channel := make(chan uint64, 1)
		channel <- opaque(uint64(i))
		sum += <-channel
	}
	check(sum == uint64(count)*uint64(count-1)/2, "each value arrives")
}

// ns per channel that is made, sent on and received from. The garbage collector frees it.
func oneshot(where flavour) { measure("oneshot", where, 5_000_000, 5_000_000, sendToSelf) }
