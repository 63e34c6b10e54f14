// Go's runtime as a contestant of `./dev bench rt`. `./dev bench` builds it; by hand: go run . list
module rt

go 1.19
