// SPDX-License-Identifier: MIT

package main

const chainLength = 1000

func link(left int, end chan struct{}) {
	if left == 1 {
		end <- struct{}{}
	} else {
		go link(left-1, end)
	}
}

func chains(count int) {
	for i := 0; i < count; i++ {
		end := make(chan struct{}, 1)
		go link(chainLength, end)
		<-end
	}
}

// ns per task that spawns its successor and ends.
func chainedSpawn(where flavour) { measure("chained_spawn", where, 1000, 1000*chainLength, chains) }
