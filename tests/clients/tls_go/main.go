// SPDX-License-Identifier: MIT

// A peer of tls_matrix.py with crypto/tls. Options and output are those of tls_peer.cpp; --tls VERSION is the only
// version that it uses.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

type options map[string]string

func (given options) number(name string, otherwise int) int {
	if number, err := strconv.Atoi(given[name]); err == nil {
		return number
	}
	return otherwise
}

func check[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tls_go:", err)
		os.Exit(2)
	}
	return value
}

func pool(path string) *x509.CertPool {
	all := x509.NewCertPool()
	all.AppendCertsFromPEM(check(os.ReadFile(path)))
	return all
}

// settings returns what clients and servers share.
func settings(given options) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13}
	if given["tls"] == "1.2" {
		config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
	if given["alpn"] != "" {
		config.NextProtos = strings.Split(given["alpn"], ",")
	}
	if given["cert"] != "" {
		config.Certificates = append(config.Certificates, check(tls.LoadX509KeyPair(given["cert"], given["key"])))
	}
	return config
}

type line struct {
	handshake string
	bytes     int
	end       string
}

func (out *line) shaken(state tls.ConnectionState, name string) {
	version, resumed, peer := "1.2", "no", ""
	if state.Version == tls.VersionTLS13 {
		version = "1.3"
	}
	if state.DidResume {
		resumed = "yes"
	}
	if len(state.PeerCertificates) != 0 {
		peer = state.PeerCertificates[0].Subject.String()
	}
	out.handshake = fmt.Sprintf("version=%s\talpn=%s\tresumed=%s\tname=%s\tpeer=%s", version, state.NegotiatedProtocol,
		resumed, name, peer)
}

func (out *line) print(err error) {
	if out.handshake == "" {
		out.handshake = "version="
	}
	text := ""
	if err != nil {
		text = strings.ReplaceAll(err.Error(), "\n", " ")
	}
	fmt.Printf("%s\tbytes=%d\tend=%s\terror=%s\n", out.handshake, out.bytes, out.end, text)
}

func serve(tcp net.Conn, config *tls.Config, out *line) error {
	defer tcp.Close()
	peer := tls.Server(tcp, config)
	if err := peer.Handshake(); err != nil {
		return err
	}
	out.shaken(peer.ConnectionState(), peer.ConnectionState().ServerName)
	buffer := make([]byte, 20000)
	for {
		count, err := peer.Read(buffer)
		if errors.Is(err, io.EOF) {
			out.end = "closed"
			return peer.CloseWrite()
		}
		if err != nil {
			return err
		}
		out.bytes += count
		if _, err := peer.Write(buffer[:count]); err != nil {
			return err
		}
	}
}

func runServer(given options) {
	config := settings(given)
	if second := strings.Split(given["second"], ","); len(second) == 3 {
		config.Certificates = append(config.Certificates, check(tls.LoadX509KeyPair(second[1], second[2])))
	}
	if given["client-ca"] != "" {
		config.ClientCAs, config.ClientAuth = pool(given["client-ca"]), tls.RequireAndVerifyClientCert
	}
	listener := check(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for left := given.number("count", 1); left > 0; left-- {
		var out line
		out.print(serve(check(listener.Accept()), config, &out))
	}
}

func talk(given options, config *tls.Config, out *line) error {
	peer, err := tls.Dial("tcp", "127.0.0.1:"+given["port"], config)
	if err != nil {
		return err
	}
	defer peer.Close()
	out.shaken(peer.ConnectionState(), "")
	size := given.number("size", 100)
	if _, err := peer.Write([]byte(strings.Repeat("x", size-1) + "\n")); err != nil {
		return err
	}
	buffer := make([]byte, 20000)
	for out.bytes < size {
		count, err := peer.Read(buffer)
		if err != nil {
			return err
		}
		out.bytes += count
	}
	if err := peer.CloseWrite(); err != nil {
		return err
	}
	if _, err := peer.Read(buffer); !errors.Is(err, io.EOF) {
		return err
	}
	out.end = "closed"
	return nil
}

func runClient(given options) {
	config := settings(given)
	config.RootCAs, config.ServerName = pool(given["ca"]), given["host"]
	config.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	for left := given.number("count", 1); left > 0; left-- {
		var out line
		out.print(talk(given, config, &out))
	}
}

func main() {
	given := options{}
	for i := 2; i+1 < len(os.Args); i += 2 {
		given[strings.TrimLeft(os.Args[i], "-")] = os.Args[i+1]
	}
	if os.Args[1] == "server" {
		runServer(given)
	} else {
		runClient(given)
	}
}
