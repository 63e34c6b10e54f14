// SPDX-License-Identifier: MIT

// What nghttp2 alone keeps for an idle HTTP/2 connection: server sessions without sockets, each of which has answered
// one request. Nothing of eddy is in this program.
//
//     $ bench_http2_sessions 200 2000
//     16.2
//
// It prints the bytes per session by which its resident memory grows between the two numbers of sessions.

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include <unistd.h>

namespace {

// What a client sends: the preface, SETTINGS, the acknowledgement of the server's SETTINGS, and GET / as stream 1.
// Same as in http2.py.
constexpr std::string_view client_bytes(
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    "\0\0\0\4\0\0\0\0\0"
    "\0\0\0\4\1\0\0\0\0"
    "\0\0\x0e\1\5\0\0\0\1\x82\x86\x84\x41\x09localhost",
    24 + 9 + 9 + 9 + 14);

constexpr std::string_view body("Hello, World!");

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "bench_http2_sessions: %s\n", what);
    std::exit(1);
}

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t, std::uint32_t* flags,
                  nghttp2_data_source*, void*) {
    std::ranges::copy(body, into);
    *flags = NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(body.size());
}

nghttp2_nv field(std::string_view name, std::string_view value) {
    auto bytes = [](std::string_view text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // nghttp2 copies them
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

int answer(nghttp2_session* session, const nghttp2_frame* frame, void*) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    const nghttp2_nv fields[] = {field(":status", "200"), field("content-type", "text/plain; charset=utf-8"),
                                 field("content-length", "13"), field("date", "Thu, 26 Nov 2026 12:00:00 GMT")};
    nghttp2_data_provider source{.source = {}, .read_callback = read_body};
    return nghttp2_submit_response(session, frame->hd.stream_id, fields, std::size(fields), &source);
}

// A session that has answered one request. It is never freed.
void add_session(nghttp2_session_callbacks* callbacks) {
    nghttp2_session* session = nullptr;
    if (nghttp2_session_server_new(&session, callbacks, nullptr) != 0) fail("no session");
    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0) != 0) fail("no SETTINGS");
    const auto* received = reinterpret_cast<const std::uint8_t*>(client_bytes.data());
    if (nghttp2_session_mem_recv(session, received, client_bytes.size()) != std::ssize(client_bytes))
        fail("the request is refused");
    std::string sent;
    const std::uint8_t* part = nullptr;
    while (const auto size = nghttp2_session_mem_send(session, &part)) {
        if (size < 0) fail("nothing can be sent");
        sent.append(reinterpret_cast<const char*>(part), static_cast<std::size_t>(size));
    }
    if (!sent.ends_with(body)) fail("the response has no body");
}

std::size_t resident_bytes() {
    std::size_t all = 0;
    std::size_t resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) fail("usage: bench_http2_sessions FEW MANY");
    const int few = std::atoi(argv[1]);
    const int many = std::atoi(argv[2]);
    if (few < 1 || many <= few) fail("FEW is at least 1, and MANY is more than FEW");
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) fail("out of memory");
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, answer);
    for (int i = 0; i < few; ++i) add_session(callbacks);
    const auto before = resident_bytes();
    for (int i = few; i < many; ++i) add_session(callbacks);
    std::printf("%.1f\n", static_cast<double>(resident_bytes() - before) / (many - few));
}
