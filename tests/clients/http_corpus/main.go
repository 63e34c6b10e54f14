// Serves each message of the corpus with Go's HTTP server: see node.mjs, which reads and prints the same.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

func latin1(bytes []byte) string {
	runes := make([]rune, len(bytes))
	for i, b := range bytes {
		runes[i] = rune(b)
	}
	return string(runes)
}

func main() {
	log.SetOutput(io.Discard)
	var lock sync.Mutex
	var seen [][3]any
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		one := [3]any{r.Method, r.RequestURI, latin1(body)}
		if err != nil {
			one[2] = nil
		}
		lock.Lock()
		seen = append(seen, one)
		lock.Unlock()
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, handler)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		message, err := hex.DecodeString(lines.Text())
		if err != nil {
			panic(err)
		}
		lock.Lock()
		seen = [][3]any{}
		lock.Unlock()
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			panic(err)
		}
		client.SetDeadline(time.Now().Add(2 * time.Second))
		client.Write(message)
		client.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, client)
		client.Close()
		lock.Lock()
		text, _ := json.Marshal(seen)
		lock.Unlock()
		fmt.Println(string(text))
	}
}
