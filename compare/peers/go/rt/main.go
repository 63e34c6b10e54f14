// SPDX-License-Identifier: MIT

// The program of the group `rt` with Go. Each case does the same as eddy's (compare/rt/), in the way that is best for
// Go. A task is a goroutine. Its handle is a channel, or an element of a slice with a sync.WaitGroup. An await of a
// child is a call. The interface is described in compare/rt/protocol.hpp; a wrong result exits with status 134, like an
// abort.
//
// Cases without a fair equivalent are omitted: Go has no futures, no pool for blocking calls, and no scopes. The
// garbage collector has its default settings.
package main

import (
	"fmt"
	"os"
	"runtime"
)

type benchCase struct {
	name     string
	flavours []flavour
	run      func(flavour)
}

var both = []flavour{ct, w2}

var cases = []benchCase{
	{"spawn_join_one", both, spawnJoinOne},
	{"spawn_join_batch", both, spawnJoinBatch},
	{"spawn_remote", both, spawnRemote},
	{"chained_spawn", both, chainedSpawn},
	{"yield_1", both, yieldAlone},
	{"yield_1000", both, yieldInCrowd},
	{"pingpong_chan", both, pingpongChan},
	{"mpsc_bounded_p1", both, mpscBounded(1)},
	{"mpsc_bounded_p4", both, mpscBounded(4)},
	{"oneshot", []flavour{ct}, oneshot},
	{"mutex_uncontended", both, mutexUncontended},
	{"mutex_4", both, mutexFour},
	{"mutex_4_yield", both, mutexFourYield},
	{"skynet", both, skynet},
	{"fib30", both, fib30},
	{"timer_arm_cancel", both, timerArmCancel},
	{"timer_arm_cancel_live", both, timerArmCancelLive},
	{"timer_arm_cancel_100k", both, timerArmCancel100k},
	{"timer_fire", both, timerFire},
	{"mem_spawn", []flavour{ct}, memSpawn},
	{"mem_parked", []flavour{w2}, memParked},
	{"wake_external", both, wakeExternal},
	{"block_on_spawn", []flavour{w2}, blockOnSpawn},
	{"idle", []flavour{w2}, idle},
}

type choice struct {
	benchCase
	where flavour
}

func find(wanted string) (choice, bool) {
	for _, one := range cases {
		for _, where := range one.flavours {
			if one.name+"/"+where.name == wanted {
				return choice{one, where}, true
			}
		}
	}
	return choice{}, false
}

func list() {
	for _, one := range cases {
		for _, where := range one.flavours {
			fmt.Println(one.name + "/" + where.name)
		}
	}
}

func main() {
	names := os.Args[1:]
	if len(names) == 1 && names[0] == "list" {
		list()
		return
	}
	var wanted []choice
	for _, name := range names {
		found, ok := find(name)
		if !ok {
			fmt.Fprintf(os.Stderr, "go_rt: there is no case %s; see go_rt list\n", name)
			os.Exit(2)
		}
		wanted = append(wanted, found)
	}
	for _, one := range wanted {
		runtime.GOMAXPROCS(one.where.processors)
		one.run(one.where)
	}
}
