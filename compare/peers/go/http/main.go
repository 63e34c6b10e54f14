// SPDX-License-Identifier: MIT

// The HTTP server of the group `http` with Go's net/http.
//
//	$ go_http --port 7000 --threads 1
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func hello(writer http.ResponseWriter, _ *http.Request) {
	writer.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
	writer.Write([]byte("Hello, World!"))
}

func endOnSigterm() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		os.Exit(0)
	}()
}

func main() {
	port := flag.Int("port", 0, "0 selects a free port")
	threads := flag.Int("threads", 1, "threads that run Go code simultaneously")
	flag.Parse()
	runtime.GOMAXPROCS(*threads)
	endOnSigterm()

	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_http:", err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	fmt.Fprintln(os.Stderr, "go_http:", http.Serve(listener, http.HandlerFunc(hello)))
	os.Exit(1)
}
