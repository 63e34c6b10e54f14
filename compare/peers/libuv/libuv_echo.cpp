// SPDX-License-Identifier: MIT

// The echo server of the group `net` with libuv.
//
//     $ bench_peer_libuv --port 7000 --threads 1
//
// Each thread has its own loop and listener, because a loop belongs to one thread. All clients of a loop read into one
// buffer. An answer is sent immediately with uv_try_write(); only the part that the socket does not accept is copied
// and queued.

#include <uv.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "net/server_process.hpp"

namespace {

constexpr std::size_t buffer_size = 64UL * 1024;

/// A connection. `socket.data` and `writing.data` point to the client, which close() frees when libuv has closed the
/// socket.
struct client {
    uv_tcp_t socket;
    uv_write_t writing;
    std::unique_ptr<char[]> unsent;  // in use until `writing` completes
};

void check(int error, const char* what) {
    if (error >= 0) return;
    std::fprintf(stderr, "%s: %s\n", what, uv_strerror(error));
    std::exit(1);
}

// SAFETY: libuv's handle types begin with the members of their base type, so these casts are part of its API.
uv_stream_t* stream(uv_tcp_t& socket) { return reinterpret_cast<uv_stream_t*>(&socket); }

class echo_server {
public:
    explicit echo_server(int listener);
    void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

private:
    static void on_connection(uv_stream_t* listener, int status);
    static void lend_buffer(uv_handle_t* socket, std::size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* socket, ssize_t size, const uv_buf_t* buffer);
    static void on_written(uv_write_t* writing, int status);
    static void write_later(client& to, const char* bytes, std::size_t size);
    static void read(client& from) { uv_read_start(stream(from.socket), lend_buffer, on_read); }
    static void close(client& of);

    uv_loop_t loop_;
    uv_tcp_t listener_;
    alignas(64) std::array<char, buffer_size> buffer_;
};

echo_server::echo_server(int listener) {
    check(uv_loop_init(&loop_), "uv_loop_init");
    loop_.data = this;
    check(uv_tcp_init(&loop_, &listener_), "uv_tcp_init");
    check(uv_tcp_open(&listener_, listener), "uv_tcp_open");
    check(uv_listen(stream(listener_), bench::backlog, on_connection), "uv_listen");
}

void echo_server::on_connection(uv_stream_t* listener, int status) {
    if (status < 0) return;
    auto accepted = std::make_unique<client>();
    check(uv_tcp_init(listener->loop, &accepted->socket), "uv_tcp_init");
    auto& of = *accepted.release();
    of.socket.data = &of;
    if (uv_accept(listener, stream(of.socket)) < 0) return close(of);
    read(of);
}

void echo_server::lend_buffer(uv_handle_t* socket, std::size_t, uv_buf_t* buffer) {
    // SAFETY: the constructor stores the server in the loop's data, and the server outlives its loop.
    auto& server = *static_cast<echo_server*>(socket->loop->data);
    *buffer = uv_buf_init(server.buffer_.data(), buffer_size);
}

void echo_server::on_read(uv_stream_t* socket, ssize_t size, const uv_buf_t* buffer) {
    // SAFETY: on_connection() stores the client in `data`. The client exists until libuv has closed the socket.
    auto& of = *static_cast<client*>(socket->data);
    if (size < 0) return close(of);
    if (size == 0) return;  // means EAGAIN
    const auto answer = uv_buf_init(buffer->base, static_cast<unsigned>(size));
    const int sent = uv_try_write(socket, &answer, 1);
    if (sent == size) return;
    if (sent < 0 && sent != UV_EAGAIN) return close(of);
    const auto taken = sent < 0 ? 0 : sent;
    write_later(of, buffer->base + taken, static_cast<std::size_t>(size - taken));
}

/// Queues the rest of an answer. Reads nothing until the rest is sent, which is the backpressure for this client.
void echo_server::write_later(client& to, const char* bytes, std::size_t size) {
    to.unsent = std::make_unique_for_overwrite<char[]>(size);
    std::memcpy(to.unsent.get(), bytes, size);
    uv_read_stop(stream(to.socket));
    to.writing.data = &to;
    const auto rest = uv_buf_init(to.unsent.get(), static_cast<unsigned>(size));
    if (uv_write(&to.writing, stream(to.socket), &rest, 1, on_written) < 0) close(to);
}

void echo_server::on_written(uv_write_t* writing, int status) {
    // SAFETY: write_later() stores the client in `data`. The client exists until libuv has closed the socket.
    auto& to = *static_cast<client*>(writing->data);
    to.unsent.reset();
    if (status < 0)
        close(to);
    else
        read(to);
}

void echo_server::close(client& of) {
    uv_close(reinterpret_cast<uv_handle_t*>(&of.socket),
             [](uv_handle_t* socket) { delete static_cast<client*>(socket->data); });
}

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<echo_server>(argc, argv); }
