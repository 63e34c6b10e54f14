// Go's runtime as a contestant of `./dev bench rt`. `./dev bench` builds it; by hand: go build
module eddy/bench/peers/go/rt

// Go's own way to say how timers behave: from 1.23 on as it has them today. An older Go tries all the same.
go 1.23
