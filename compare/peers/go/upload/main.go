// SPDX-License-Identifier: MIT

// The HTTPS server of the cases UPLOAD with Go's net/http: it receives the body of each request, and answers with its
// size.
//
//	$ go_upload --port 7000 --threads 1
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func sizeOfBody(writer http.ResponseWriter, asked *http.Request) {
	size, err := io.Copy(io.Discard, asked.Body)
	if err == nil {
		fmt.Fprint(writer, size)
	}
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, err
}

func endOnSigterm() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		os.Exit(0)
	}()
}

func run(port int) error {
	own, err := certificate()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	server := http.Server{Handler: http.HandlerFunc(sizeOfBody),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}}}
	return server.ServeTLS(listener, "", "")
}

func main() {
	port := flag.Int("port", 0, "0 selects a free port")
	threads := flag.Int("threads", 1, "threads that run Go code simultaneously")
	flag.Parse()
	runtime.GOMAXPROCS(*threads)
	endOnSigterm()
	fmt.Fprintln(os.Stderr, "go_upload:", run(*port))
	os.Exit(1)
}
