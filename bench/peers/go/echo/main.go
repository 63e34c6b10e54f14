// SPDX-License-Identifier: MIT

// Go's runtime as a contestant of `./dev bench net`: a goroutine for each connection.
//
//	$ go_echo --port 7000 --threads 1
//
// Go itself sets TCP_NODELAY, raises the descriptor limit, and takes the system's backlog (net.core.somaxconn).
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
	buffer := make([]byte, 32*1024) // larger than a message: one that is filled costs another read
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
	port := flag.Int("port", 0, "0: any free one")
	threads := flag.Int("threads", 1, "how many run Go code at once")
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
