// Prints texts, and what Go's parsers make of them, for compare_parsers.cpp: the parser, the text and the result, which
// tabs separate; text and result are hexadecimal. Each text has bytes replaced, inserted and removed, at each place.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const none = "none"

func text(value string, err error) string {
	if err != nil {
		return none
	}
	return "=" + value
}

func signed(of string) string {
	value, err := strconv.ParseInt(of, 10, 64)
	if strings.HasPrefix(of, "+") { // which eddy refuses
		return none
	}
	return text(strconv.FormatInt(value, 10), err)
}

func unsigned(of string) string {
	value, err := strconv.ParseUint(of, 10, 64)
	return text(strconv.FormatUint(value, 10), err)
}

func percent(of string) string { return text(url.PathUnescape(of)) }

func query(of string) string {
	value, _, _ := strings.Cut(of, "&") // the end of a parameter
	return text(url.QueryUnescape(value))
}

// The years of two digits of eddy end 50 years after 2026, those of Go with 2068.
func date(of string) string {
	value, err := http.ParseTime(of)
	if _, short := time.Parse(time.RFC850, of); short == nil && value.Year() >= 1969 && value.Year() <= 1976 {
		value = value.AddDate(100, 0, 0)
	}
	return text(strconv.FormatInt(value.Unix(), 10), err)
}

func server(of string) string {
	value, err := url.Parse(of)
	if err != nil || value.Host == "" || strings.Contains(of, "%") { // Go decodes the host
		return none
	}
	port := value.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[value.Scheme]
	}
	number, err := strconv.Atoi(port)
	host := strings.ToLower(value.Hostname())
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.String()
	}
	return text(host+" "+strconv.Itoa(number), err)
}

func isJson(of string) string {
	if json.Valid([]byte(of)) {
		return "="
	}
	return none
}

// A server may ignore an empty line before a request. The target is not decoded.
func request(of string) string {
	of = strings.ReplaceAll(strings.TrimPrefix(of, "\r\n"), "%", "%25")
	got, err := http.ReadRequest(bufio.NewReader(strings.NewReader(of)))
	if err != nil {
		return none
	}
	shown := got.Method + " " + got.RequestURI + " " + got.Host + " " + strings.Join(got.Header["X-Test"], "|")
	return text(strings.ReplaceAll(shown, "%25", "%"), nil)
}

var parsers = []struct {
	name  string
	parse func(string) string
	texts []string
}{
	{"signed", signed, []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "123456"}},
	{"unsigned", unsigned, []string{"0", "18446744073709551615", "00042"}},
	{"percent", percent, []string{"a%20b%2F", "%41%c3%a4", "plain"}},
	{"query", query, []string{"a+b%26c", "%2B+", "x=y"}},
	{"date", date, []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"Tue, 29 Feb 2000 23:59:59 GMT", "Thu, 31 Dec 2099 00:00:00 GMT", "Fri Nov 16 08:49:37 2001"}},
	{"url", server, []string{"http://example.org:8080/a?b#c", "https://[::1]:65535/", "http://127.0.0.1", "HTTPS://A.example/%41"}},
	{"json", isJson, []string{`{"a":[1,-2.5e3,true,null]}`, `"\u00e4\n\ud83d\ude00"`, "[1E400]", " [ ] "}},
	{"request", request, []string{"GET /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nX-Test: one\r\nX-Test:two \r\n\r\n",
		"POST / HTTP/1.0\r\nContent-Length: 0\r\nX-Test: a b\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n"}},
}

var bytes = []string{"\x00", "\xff", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\x01", "\x7f", "\t", " ", "\r", "\n", "\r\n", "0", "9", "A", "z", "-", "+",
	"_", ".", ",", ":", ";", "/", "?", "#", "%", "@", "[", "]", "{", "}", "\"", "\\", "=", "&", strings.Repeat("9", 30), strings.Repeat("9", 400)}

func main() {
	seed, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	random := rand.New(rand.NewSource(seed))
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, parser := range parsers {
		try := func(text string) {
			fmt.Fprintf(out, "%s\t%s\t%s\n", parser.name, hex.EncodeToString([]byte(text)), hex.EncodeToString([]byte(parser.parse(text))))
		}
		for _, text := range parser.texts {
			try(text)
			for at := 0; at <= len(text); at++ {
				try(text[:at])
				for _, bad := range bytes {
					try(text[:at] + bad + text[at:])
					if at < len(text) {
						try(text[:at] + bad + text[at+1:])
					}
				}
			}
			for range 2000 {
				changed := []byte(text)
				for range 1 + random.Intn(3) {
					changed[random.Intn(len(changed))] = byte(random.Intn(256))
				}
				try(string(changed))
			}
		}
	}
}
