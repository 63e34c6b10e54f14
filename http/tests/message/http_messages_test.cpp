// SPDX-License-Identifier: MIT
// The parser of eddy::http, with one table of requests and one of responses. Each message is parsed as a whole, byte by
// byte, and in two pieces that are split at each place.
// covers: P147
// runs: once
#include <gtest/gtest.h>

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

#include "support/http/http_transcript.hpp"

namespace {

using namespace std::string_view_literals;

struct message {
    std::string_view bytes;
    std::string_view expected;  // see requests_in() and response_in()
};

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define END "\r\n\r\n"

constexpr message requests[] = {
    // Accepted: the request line.
    {GET "\r\n", R"(GET / 1.1 "")"},
    {"HEAD /x HTTP/1.1\r\nHost: a" END, R"(HEAD /x 1.1 "")"},
    {"DELETE /x HTTP/1.1\r\nHost: a" END, R"(DELETE /x 1.1 "")"},
    {"PATCH /x HTTP/1.1\r\nHost: a" END, R"(PATCH /x 1.1 "")"},
    {"TRACE /x HTTP/1.1\r\nHost: a" END, R"(TRACE /x 1.1 "")"},
    {"OPTIONS * HTTP/1.1\r\nHost: a" END, R"(OPTIONS * 1.1 "")"},
    {"GET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: a" END, R"(GET /a/b?c=d&e=%20 1.1 "")"},
    {"GET //a HTTP/1.1\r\nHost: a" END, R"(GET //a 1.1 "")"},
    {"GET /|{}^`\"<>\\ HTTP/1.1\r\nHost: a" END, R"(GET /|{}^`"<>\ 1.1 "")"},
    {"GET http://b/c HTTP/1.1\r\nHost: a" END, R"(GET /c 1.1 "")"},
    {"GET http://b:81/c?d HTTP/1.1\r\nHost: a" END, R"(GET /c?d 1.1 "")"},
    {"GET https://b HTTP/1.1\r\nHost: a" END, R"(GET / 1.1 "")"},
    {"GET HTTP://b?c HTTP/1.1\r\nHost: a" END, R"(GET /?c 1.1 "")"},
    {"GET http://[::1]:80/ HTTP/1.1\r\nHost: a" END, R"(GET / 1.1 "")"},
    {"OPTIONS http://b HTTP/1.1\r\nHost: a" END, R"(OPTIONS * 1.1 "")"},
    {"OPTIONS http://b:81 HTTP/1.1\r\nHost: a" END, R"(OPTIONS * 1.1 "")"},
    {"OPTIONS http://b/ HTTP/1.1\r\nHost: a" END, R"(OPTIONS / 1.1 "")"},
    {"OPTIONS http://b?c HTTP/1.1\r\nHost: a" END, R"(OPTIONS /?c 1.1 "")"},
    {"\r\n" GET "\r\n", R"(GET / 1.1 "")"},
    {"GET / HTTP/1.0" END, R"(GET / 1.0 "" close)"},
    {"GET / HTTP/1.0\r\nHost: a" END, R"(GET / 1.0 "" close)"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive" END, R"(GET / 1.0 "")"},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive, x" END, R"(GET / 1.0 "")"},
    // Accepted: header fields.
    {GET "Connection: close" END, R"(GET / 1.1 "" close)"},
    {GET "connection: x , CLOSE" END, R"(GET / 1.1 "" close)"},
    {GET "Connection: x\r\nConnection: close" END, R"(GET / 1.1 "" close)"},
    {GET "Connection: keep-alive, close" END, R"(GET / 1.1 "" close)"},
    {GET "Connection: upgrade\r\nUpgrade: h2c" END, R"(GET / 1.1 "")"},
    {GET "X:" END, R"(GET / 1.1 "")"},
    {GET "X: " END, R"(GET / 1.1 "")"},
    {GET "X:y" END, R"(GET / 1.1 "")"},
    {GET "X: \t y \t " END, R"(GET / 1.1 "")"},
    {GET "X: y:z" END, R"(GET / 1.1 "")"},
    {GET "X: a\tb" END, R"(GET / 1.1 "")"},
    {GET "X: \x80\xff" END, R"(GET / 1.1 "")"},
    {GET "!#$%&'*+-.^_`|~0aZ: y" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nhOsT: a" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost:" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a:80" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a:" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a:65535" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a:000080" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a:0" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a:99999" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: %41%2e:1" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a:80 \t" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: :80" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: [::1]" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: [fe80::1]:8080" END, R"(GET / 1.1 "")"},
    {"GET / HTTP/1.1\r\nHost: a_b.example" END, R"(GET / 1.1 "")"},
    // Accepted: bodies with a length.
    {POST "Content-Length: 0" END, R"(POST / 1.1 "")"},
    {POST "Content-Length: 5" END "hello", R"(POST / 1.1 "hello")"},
    {POST "Content-Length: 0005" END "hello", R"(POST / 1.1 "hello")"},
    {POST "content-length:5" END "hello", R"(POST / 1.1 "hello")"},
    {GET "Content-Length: 5" END "hello", R"(GET / 1.1 "hello")"},
    {"POST / HTTP/1.0\r\nContent-Length: 2" END "hi", R"(POST / 1.0 "hi" close)"},
    {POST "Content-Length: 16" END "0123456789abcdef", R"(POST / 1.1 "0123456789abcdef")"},
    {POST "Content-Length: 2" END "\r\n", "POST / 1.1 \"\r\n\""},
    {POST "Content-Length: 4\r\nExpect: 100-continue" END "body", R"(POST / 1.1 "body" continue)"},
    {POST "Content-Length: 4\r\nExpect: 100-Continue" END "body", R"(POST / 1.1 "body" continue)"},
    // Accepted: bodies in chunks.
    {CHUNKED "0" END, R"(POST / 1.1 "")"},
    {CHUNKED "5\r\nhello\r\n0" END, R"(POST / 1.1 "hello")"},
    {CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0" END, R"(POST / 1.1 "hello")"},
    {CHUNKED "A\r\n0123456789\r\n0" END, R"(POST / 1.1 "0123456789")"},
    {CHUNKED "a\r\n0123456789\r\n000" END, R"(POST / 1.1 "0123456789")"},
    {CHUNKED "0000000000000002\r\nhi\r\n0" END, R"(POST / 1.1 "hi")"},
    {CHUNKED "2\r\n\r\n\r\n0" END, "POST / 1.1 \"\r\n\""},
    {CHUNKED "0\r\nX: y" END, R"(POST / 1.1 "")"},
    {CHUNKED "1;a=b\r\nx\r\n0;a" END, R"(POST / 1.1 "x")"},
    {CHUNKED "1 \t;a = \"b\\\"c\"; d\r\nx\r\n0" END, R"(POST / 1.1 "x")"},
    {CHUNKED "2\r\nhi\r\n0\r\nX: y\r\nZ:" END, R"(POST / 1.1 "hi")"},
    {CHUNKED "0\r\nContent-Length: 7" END, R"(POST / 1.1 "")"},
    {POST "transfer-encoding:\tCHUNKED " END "1\r\nx\r\n0" END, R"(POST / 1.1 "x")"},
    // Accepted: several requests.
    {GET "\r\n" GET "\r\n", R"(GET / 1.1 "" | GET / 1.1 "")"},
    {POST "Content-Length: 2" END "hi" GET "\r\n", R"(POST / 1.1 "hi" | GET / 1.1 "")"},
    {CHUNKED "2\r\nhi\r\n0" END GET "\r\n", R"(POST / 1.1 "hi" | GET / 1.1 "")"},
    {GET "\r\n\r\n" GET "\r\n", R"(GET / 1.1 "" | GET / 1.1 "")"},
    {POST "Content-Length: 2" END "hi\r\n" GET "\r\n", R"(POST / 1.1 "hi" | GET / 1.1 "")"},
    // Incomplete.
    {"G", "..."},
    {"GET / HTTP/1.1", "..."},
    {"GET / HTTP/1.1\r\n", "..."},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r", "..."},
    {"\r\n", "..."},
    {POST "Content-Length: 5" END "hell", R"(POST / 1.1 "hell...)"},
    {CHUNKED "5\r\nhe", R"(POST / 1.1 "he...)"},
    {CHUNKED "5\r\nhello\r\n0\r\n", R"(POST / 1.1 "hello...)"},
    {CHUNKED "0\r\nX: y\r\n", R"(POST / 1.1 "...)"},
    // Refused: line ends.
    {"GET / HTTP/1.1\nHost: a" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a\nX: y" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a\n\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", "400"},
    {"GET /\n\n", "400"},
    {"GET / HTTP/1.1\rHost: a" END, "400"},
    {GET "X: a\rb" END, "400"},
    {GET "X: a\r\r\n\r\n", "400"},
    {"\n" GET "\r\n", "400"},
    {"\r\n\r\n" GET "\r\n", "400"},
    {"\r" GET "\r\n", "400"},
    {GET "X: y\r\n folded" END, "400"},
    {GET "X: y\r\n\tfolded" END, "400"},
    {GET " X: y" END, "400"},
    {GET " \r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n Host: a" END, "400"},
    // Refused: the request line.
    {"GET /" END, "400"},
    {"GET" END, "400"},
    {"GET  / HTTP/1.1\r\nHost: a" END, "400"},
    {"GET /  HTTP/1.1\r\nHost: a" END, "400"},
    {"GET / HTTP/1.1 \r\nHost: a" END, "400"},
    {" GET / HTTP/1.1\r\nHost: a" END, "400"},
    {"GET\t/ HTTP/1.1\r\nHost: a" END, "400"},
    {"GET / a HTTP/1.1\r\nHost: a" END, "400"},
    {"GET /\ta HTTP/1.1\r\nHost: a" END, "400"},
    {"GET a HTTP/1.1\r\nHost: a" END, "400"},
    {"GET * HTTP/1.1\r\nHost: a" END, "400"},
    {"GET a:80 HTTP/1.1\r\nHost: a" END, "400"},
    {"GET /#a HTTP/1.1\r\nHost: a" END, "400"},
    {"GET /\x80 HTTP/1.1\r\nHost: a" END, "400"},
    {"GET /\x7f HTTP/1.1\r\nHost: a" END, "400"},
    {"GET /\0 HTTP/1.1\r\nHost: a" END ""sv, "400"},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a" END, "400"},
    {"GET http:///a HTTP/1.1\r\nHost: a" END, "400"},
    {"GET http://u@a/ HTTP/1.1\r\nHost: a" END, "400"},
    {"GET http://a:x/ HTTP/1.1\r\nHost: a" END, "400"},
    {"GE\0T / HTTP/1.1\r\nHost: a" END ""sv, "400"},
    {"G(T / HTTP/1.1\r\nHost: a" END, "400"},
    {"\x16\x03\x01\x02", "400"},
    {"\x80", "400"},
    {"get / HTTP/1.1\r\nHost: a" END, "501"},
    {"GETS / HTTP/1.1\r\nHost: a" END, "501"},
    {"PROPFIND / HTTP/1.1\r\nHost: a" END, "501"},
    {"CONNECT a:80 HTTP/1.1\r\nHost: a" END, "501"},
    {"GET / HTTP/1.2\r\nHost: a" END, "505"},
    {"GET / HTTP/2.0\r\nHost: a" END, "505"},
    {"GET / HTTP/0.9\r\nHost: a" END, "505"},
    {"PRI * HTTP/2.0" END, "505"},
    {"GET / HTTP/1\r\nHost: a" END, "400"},
    {"GET / HTTP/1.10\r\nHost: a" END, "400"},
    {"GET / HTTP/11.1\r\nHost: a" END, "400"},
    {"GET / HTTP/1,1\r\nHost: a" END, "400"},
    {"GET / http/1.1\r\nHost: a" END, "400"},
    {"GET / HTTP /1.1\r\nHost: a" END, "400"},
    {"GET / XTTP/1.1\r\nHost: a" END, "400"},
    {"GET / HTTP/x.1\r\nHost: a" END, "400"},
    // Refused: header fields.
    {GET "X" END, "400"},
    {GET ": y" END, "400"},
    {GET "X : y" END, "400"},
    {GET "X\t: y" END, "400"},
    {GET "X Y: z" END, "400"},
    {GET "X(: y" END, "400"},
    {GET "\"X\": y" END, "400"},
    {GET "X\x80: y" END, "400"},
    {GET "X\0: y" END ""sv, "400"},
    {GET "X: \0" END ""sv, "400"},
    {GET "X: a\x01" END, "400"},
    {GET "X: a\x1f" END, "400"},
    {GET "X: a\x7f" END, "400"},
    {GET "X: a\vb" END, "400"},
    // Refused: Host.
    {"GET / HTTP/1.1" END, "400"},
    {"GET / HTTP/1.1\r\nHost : a" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nhost: b" END, "400"},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a b" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a, b" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a/b" END, "400"},
    {"GET / HTTP/1.1\r\nHost: u@a" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a:b" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a:9x" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a%zz" END, "400"},
    {"GET / HTTP/1.1\r\nHost: a%4" END, "400"},
    {"GET / HTTP/1.1\r\nHost: [:::1]" END, "400"},
    {"GET / HTTP/1.1\r\nHost: [:]" END, "400"},
    {"GET / HTTP/1.1\r\nHost: [1:2:3:4:5:6:7:8:9]" END, "400"},
    {"GET / HTTP/1.1\r\nHost: [::1" END, "400"},
    {"GET / HTTP/1.1\r\nHost: [a]" END, "400"},
    {"GET http://b/ HTTP/1.1" END, "400"},
    // Refused: lengths.
    {POST "Content-Length:" END, "400"},
    {POST "Content-Length: x" END, "400"},
    {POST "Content-Length: -1" END, "400"},
    {POST "Content-Length: +5" END "hello", "400"},
    {POST "Content-Length: 5 5" END "hello", "400"},
    {POST "Content-Length: 5, 5" END "hello", "400"},
    {POST "Content-Length: 0x5" END "hello", "400"},
    {POST "Content-Length: 5.0" END "hello", "400"},
    {POST "Content-Length: 5\r\nContent-Length: 5" END "hello", "400"},
    {POST "Content-Length: 5\r\nContent-Length: 6" END "hello", "400"},
    {POST "Content-Length : 5" END "hello", "400"},
    {POST "Content-Length: 9999999999999999999" END, "413"},
    {POST "Content-Length: 18446744073709551621" END "hello", "413"},
    {POST "Content-Length: 1001" END "x", "413"},
    // Refused: codings.
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked" END "0" END, "400"},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 5" END "0" END, "400"},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" END "0" END, "400"},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity" END "0" END, "400"},
    {POST "Transfer-Encoding: chunked, chunked" END "0" END, "400"},
    {POST "Transfer-Encoding: chunked, gzip" END "0" END, "400"},
    {POST "Transfer-Encoding: chunked," END "0" END, "400"},
    {POST "Transfer-Encoding:" END "0" END, "400"},
    {POST "Transfer-Encoding : chunked" END "0" END, "400"},
    {POST "Transfer-Encoding:\x0b"
          "chunked" END "0" END,
     "400"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked" END "0" END, "400"},
    {POST "Transfer-Encoding: gzip, chunked" END "0" END, "501"},
    {POST "Transfer-Encoding: gzip" END, "501"},
    {POST "Transfer-Encoding: identity" END, "501"},
    {POST "Transfer-Encoding: xchunked" END "0" END, "501"},
    {POST "Transfer-Encoding: \"chunked\"" END "0" END, "501"},
    {POST "Transfer-Encoding: chunked;a=b" END "0" END, "501"},
    // Refused: chunks.
    {CHUNKED "\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "x\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "-1\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0x1\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED " 1\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "1 \r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "1 a\r\nx\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "1;a\nx\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "1;a\rx\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "1;a=\"b\r\nx\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0;\0\r\n\r\n"sv, R"(POST / 1.1 " 400)"},
    {CHUNKED "1\nx\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "1\r\rx\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "00000000000000001\r\nx\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "1\r\nxy\r\n", R"(POST / 1.1 "x 400)"},
    {CHUNKED "1\r\nx\n", R"(POST / 1.1 "x 400)"},
    {CHUNKED "1\r\nx\r1", R"(POST / 1.1 "x 400)"},
    {CHUNKED "0\n\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0\r\n\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0\r\n\rx", R"(POST / 1.1 " 400)"},
    {CHUNKED "0\r\n: y\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0\r\nX y\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0\r\nX: y\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0\r\nX: y\r\n z\r\n", R"(POST / 1.1 " 400)"},
    {CHUNKED "0\r\nX: \0\r\n"sv, R"(POST / 1.1 " 400)"},
    {CHUNKED "3e9\r\n", R"(POST / 1.1 " 413)"},
    {CHUNKED "ffffffffffffffff\r\n", R"(POST / 1.1 " 413)"},
    {CHUNKED "1\r\nx\r\nfffffffffffffff0\r\n", R"(POST / 1.1 "x 413)"},
    // Refused: expectations.
    {GET "Expect: x" END, "417"},
    {GET "Expect: 100-continue, x" END, "417"},
    {GET "Expect: 100-continue\r\nExpect: 100-continue" END, "417"},
    // A refusal after a valid request.
    {GET "\r\nGET / HTTP/1.1" END, R"(GET / 1.1 "" | 400)"},
    {POST "Content-Length: 4" END "12345" GET "\r\n", R"(POST / 1.1 "1234" | 501)"},
};

constexpr message responses[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2" END "hi", R"(200 "hi")"},
    {"HTTP/1.1 200 \r\nContent-Length: 2" END "hi", R"(200 "hi")"},
    {"HTTP/1.1 200\r\nContent-Length: 2" END "hi", R"(200 "hi")"},
    {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked" END "2\r\nhi\r\n0" END, R"(404 "hi")"},
    {"HTTP/1.1 200 OK" END "hello", R"(200 "hello" close)"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2" END "hi", R"(200 "hi" close)"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive" END "hi", R"(200 "hi")"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close" END "hi", R"(200 "hi" close)"},
    {"HTTP/1.1 204 No Content" END, R"(204 "")"},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9" END, R"(304 "")"},
    // Interim responses are skipped, except one that nobody asked for.
    {"HTTP/1.1 100 Continue" END, "..."},
    {"HTTP/1.1 100 Continue" END "HTTP/1.1 103 Early Hints\r\nX: y" END "HTTP/1.1 204 No" END, R"(204 "")"},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a" END, "refused"},
    // Folded fields.
    {"HTTP/1.1 204 No\r\nX: a=b;\r\n Path=/" END, R"(204 [a=b; Path=/] "")"},
    {"HTTP/1.1 204 No\r\nX: a \t\r\n\t \tb" END, R"(204 [a b] "")"},
    {"HTTP/1.1 204 No\r\nX:\r\n a\r\n b\r\n c\r\nX: d" END, R"(204 [a b c] [d] "")"},
    {"HTTP/1.1 204 No\r\nX: a\r\n  \r\nX:\r\n \t" END, R"(204 [a] [] "")"},
    {"HTTP/1.1 204 No\r\nX: a\r\n  \r\n b" END, R"(204 [a b] "")"},
    {"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\nX: y" END "hi", R"(200 [y] "hi")"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "2\r\nhi\r\n0\r\nY: a \r\n \tb\r\n\tc\r\nZ:\r\n d\r\n  " END,
     R"(200 "hi" Y=a b c Z=d)"},
    // Chunk extensions, and spaces after the size of a chunk.
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "2;a\r\nhi\r\n1 \t\r\n!\r\n0 " END, R"(200 "hi!")"},
    {"HTTP/1.1 599 \x80" END "x", R"(599 "x" close)"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3" END "hi", R"(200 "hi...)"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "5\r\nhe", R"(200 "he...)"},
    {"HTTP/1.1 200 OK\r\n", "..."},
    {"HTTP/1.1 200 OK\nContent-Length: 2" END "hi", "refused"},
    {"HTTP/1.1 20 OK" END, "refused"},
    {"HTTP/1.1 099 OK" END, "refused"},
    {"HTTP/1.1 2000 OK" END, "refused"},
    {"HTTP/1.1  200 OK" END, "refused"},
    {"HTTP/2.0 200 OK" END, "refused"},
    {"HTTP/1.1 2x0 OK" END, "refused"},
    {"HTTP/1.1 200 O\0K" END ""sv, "refused"},
    {"ICY 200 OK" END, "refused"},
    {"200 OK" END, "refused"},
    {"HTTP/1.1 200 OK\r\nX : y" END, "refused"},
    {"HTTP/1.1 200 OK\r\n X: y" END, "refused"},
    {"HTTP/1.1 200 OK\r\nX\r\n : y" END, "refused"},
    {"HTTP/1.1 200 OK\r\nX: y\r\n z\0" END ""sv, "refused"},
    {"HTTP/1.1 200 OK\r\nX: y\r\r\n z" END, "refused"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0" END "hi", "refused"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "0\r\n X: y" END, R"(200 " 400)"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2" END "hi", "refused"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked" END "0" END, "refused"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip" END, "refused"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" END "0" END, "refused"},
};

TEST(HttpMessages, WholeRequestsAreParsed) {
    static_assert(std::size(requests) >= 200);
    for (const auto& [bytes, expected] : requests)
        EXPECT_EQ(support::requests_in(bytes, bytes.size()), expected) << bytes;
}

TEST(HttpMessages, RequestsInPiecesAreParsedAlike) {
    // A step of more than half of the bytes splits the requests once, after `step` bytes. A smaller step splits them at
    // several places.
    for (const auto& [bytes, expected] : requests)
        for (std::size_t step = 1; step < bytes.size(); ++step)
            EXPECT_EQ(support::requests_in(bytes, step), expected) << step << ": " << bytes;
}

TEST(HttpMessages, ResponsesInPiecesAreParsedAlike) {
    for (const auto& [bytes, expected] : responses)
        for (std::size_t step = 1; step <= bytes.size(); ++step)
            EXPECT_EQ(support::response_in(bytes, step), expected) << step << ": " << bytes;
}

TEST(HttpMessages, BodyWithoutLengthHasLimit) {
    const std::string head = "HTTP/1.1 200 OK" END;
    const std::string most(1000, 'x');
    for (std::size_t step = 1; step < 2000; step += 13) {
        EXPECT_EQ(support::response_in(head + most, step), "200 \"" + most + "\" close") << step;
        EXPECT_EQ(support::response_in(head + most + "y", step), "200 \"" + most + " 413") << step;
    }
}

TEST(HttpMessages, ResponseToHeadHasNoBody) {
    EXPECT_EQ(support::response_in("HTTP/1.1 200 OK\r\nContent-Length: 9" END, 5, eddy::http::method::head),
              R"(200 "")");
}

TEST(HttpMessages, HeadLimitDoesNotDependOnPieces) {
    eddy::http::h1::limits limits;
    limits.head_bytes = 60;
    limits.headers = 3;
    const std::string exact = GET "X: " + std::string(60 - sizeof(GET "X: " END) + 1, 'x') + END;
    ASSERT_EQ(exact.size(), 60U);
    const std::string one_more = GET "X: " + std::string(61 - sizeof(GET "X: " END) + 1, 'x') + END;
    const std::string long_line = "GET /" + std::string(60, 'a') + " HTTP/1.1\r\nHost: a" END;
    const std::string endless = GET "X: " + std::string(200, 'x');
    for (std::size_t step = 1; step < 300; step += 7) {
        EXPECT_EQ(support::requests_in(exact, step, limits), R"(GET / 1.1 "")") << step;
        EXPECT_EQ(support::requests_in(one_more, step, limits), "431") << step;
        EXPECT_EQ(support::requests_in(long_line, step, limits), "414") << step;
        EXPECT_EQ(support::requests_in(endless, step, limits), "431") << step;
        EXPECT_EQ(support::requests_in(GET "A:\r\nB:" END, step, limits), R"(GET / 1.1 "")") << step;
        EXPECT_EQ(support::requests_in(GET "A:\r\nB:\r\nC:" END, step, limits), "431") << step;
    }
}

TEST(HttpMessages, FoldedResponseHasLimits) {
    const std::string folded = "HTTP/1.1 204 No\r\nX: y\r\n " + std::string(20'000, ' ') + END;
    EXPECT_EQ(support::response_in(folded, 1000), "refused");
    const std::string trailer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "0\r\nX: y";
    std::string short_lines;
    for (int i = 0; i < 20'000; ++i) short_lines += "\r\n ";
    EXPECT_EQ(support::response_in(trailer + short_lines, 1000), R"(200 " 400)");
    EXPECT_EQ(support::response_in(trailer + "\r\n" + std::string(20'000, ' '), 1000), R"(200 " 400)");
    EXPECT_EQ(support::response_in(trailer + "\r\n" + std::string(8'000, ' ') + "z" END, 1000), R"(200 "" X=y z)");
}

TEST(HttpMessages, TrailersAboveSizeLimitAreRejected) {
    const std::string endless = CHUNKED "0\r\nX: " + std::string(20'000, 'x');
    EXPECT_EQ(support::requests_in(endless, 1000), R"(POST / 1.1 " 400)");
    std::string many = CHUNKED "0\r\n";
    for (int i = 0; i < 3'000; ++i) many += "X:\r\n";  // 3 bytes each, without CR
    EXPECT_EQ(support::requests_in(many, 1000), R"(POST / 1.1 " 400)");
}

TEST(HttpMessages, LimitOfBodyIsThatOfAllChunks) {
    eddy::http::h1::limits limits;
    limits.body_bytes = 10;
    const std::string exact = CHUNKED "6\r\nabcdef\r\n4\r\nghij\r\n0" END;
    const std::string more = CHUNKED "6\r\nabcdef\r\n6\r\nghijkl\r\n0" END;
    for (std::size_t step = 1; step < more.size(); ++step) {
        EXPECT_EQ(support::requests_in(exact, step, limits), R"(POST / 1.1 "abcdefghij")") << step;
        EXPECT_EQ(support::requests_in(more, step, limits), R"(POST / 1.1 "abcdef 413)") << step;
    }
}

/// Returns a body of `count` chunks of `size` bytes with extensions of `extension` bytes.
std::string chunks_with_extensions(std::size_t count, std::size_t size, std::size_t extension) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string digits = size < 10 ? std::to_string(size) : "3e8";
        all += digits + ';' + std::string(extension - 1, 'x') + "\r\n" + std::string(size, 'y') + "\r\n";
    }
    return all + "0\r\n\r\n";
}

TEST(HttpMessages, ChunkExtensionsHaveALimitForEachChunk) {
    const std::string response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END;
    for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
        EXPECT_EQ(support::requests_in(CHUNKED + chunks_with_extensions(1, 1, 4096), step), R"(POST / 1.1 "y")");
        EXPECT_EQ(support::requests_in(CHUNKED + chunks_with_extensions(1, 1, 4097), step), R"(POST / 1.1 " 400)");
        EXPECT_EQ(support::response_in(response + chunks_with_extensions(1, 1, 4096), step), R"(200 "y")");
        EXPECT_EQ(support::response_in(response + chunks_with_extensions(1, 1, 4097), step), R"(200 " 400)");
        EXPECT_EQ(support::response_in(response + "1" + std::string(4097, ' ') + "\r\n", step), R"(200 " 400)");
    }
}

TEST(HttpMessages, ChunkExtensionsHaveALimitForTheBody) {
    eddy::http::h1::limits limits;
    limits.body_bytes = 1'000'000;
    // Each chunk has 63 bytes of extensions more than data. 260 times 63 is 16,380.
    const auto body_of = [](std::size_t size) { return '"' + std::string(size, 'y'); };
    EXPECT_EQ(support::requests_in(CHUNKED + chunks_with_extensions(260, 1, 64), 1000, limits),
              "POST / 1.1 " + body_of(260) + '"');
    EXPECT_EQ(support::requests_in(CHUNKED + chunks_with_extensions(261, 1, 64), 1000, limits),
              "POST / 1.1 " + body_of(260) + " 400");
    const std::string response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END;
    EXPECT_EQ(support::response_in(response + chunks_with_extensions(261, 1, 64), 1000),
              "200 " + body_of(260) + " 400");
    // A body with more data than extensions has no limit.
    EXPECT_EQ(support::requests_in(CHUNKED + chunks_with_extensions(500, 1000, 1000), 1000, limits),
              "POST / 1.1 " + body_of(500'000) + '"');
}

}  // namespace
