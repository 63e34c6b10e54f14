// SPDX-License-Identifier: MIT

// The echo server of the group `net` with Go: a goroutine per connection.
//
//	$ go_echo --port 7000 --threads 1
//
// Go sets TCP_NODELAY and raises the descriptor limit, and uses the system's backlog (net.core.somaxconn).
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func echo(client net.Conn) {
	defer client.Close()
	buffer := make([]byte, 32*1024) // larger than a message: a read that fills it causes another read
	for {
		size, err := client.Read(buffer)
		if err != nil {
			return
		}
		if _, err := client.Write(buffer[:size]); err != nil {
			return
		}
	}
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
		fmt.Fprintln(os.Stderr, "go_echo:", err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		if client, err := listener.Accept(); err == nil {
			go echo(client)
		}
	}
}
