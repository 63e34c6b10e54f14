// The program of the group `rt` with Go. `./dev bench` builds it; by hand: go run . list
module rt

go 1.19
