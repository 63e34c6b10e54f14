// Go's runtime as a contestant of `./dev bench rt`. `./dev bench` builds it; by hand: go build
module rt

go 1.19
