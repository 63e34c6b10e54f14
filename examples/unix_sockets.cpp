// SPDX-License-Identifier: MIT
// Unix sockets, for programs on one machine: a server that identifies its clients, and datagrams to an abstract name.
//     $ ./unix_sockets
//     the server says: welcome, same process
//     the service says: ping
#include <eddy/prelude.hpp>

#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::net::unix_addr;
using eddy::net::unix_datagram;
using eddy::net::unix_listener;
using eddy::net::unix_stream;

std::string own_name() { return "eddy_unix_sockets." + std::to_string(::getpid()); }

// ---- Streams, by a path ----

// The peer credentials come from the kernel, which recorded them when the client connected. They cannot be forged.
task<result<void>> serve_one(unix_listener listener) {
    auto [client, from] = co_await try_(listener.accept());
    const auto peer = co_await try_(client.peer_cred());
    if (peer.uid != ::getuid()) co_return std::unexpected(std::make_error_code(std::errc::permission_denied));
    co_return co_await eddy::io::write_all(client,
                                           peer.pid == ::getpid() ? "welcome, same process" : "welcome, other process");
}

task<result<void>> visit(std::string path) {
    auto server = co_await try_(unix_stream::connect(path));
    const auto greeting = co_await try_(eddy::io::read_to_string(server));
    std::printf("the server says: %s\n", greeting.c_str());
    co_return eddy::ok();
}

task<result<void>> show_streams() {
    const auto path = (std::filesystem::temp_directory_path() / own_name()).native();
    auto listener = co_await try_(unix_listener::bind(path));
    const auto both = co_await eddy::try_join(serve_one(std::move(listener)), visit(path));
    ::unlink(path.c_str());  // the file outlives the socket, and the next bind() would fail
    if (!both) co_return std::unexpected(both.error());
    co_return eddy::ok();
}

// ---- Datagrams, by an abstract name: there is no file, and the name disappears with the socket ----

// Receives a datagram, and sends it back to its sender.
task<result<void>> answer_one(unix_datagram service) {
    std::array<std::byte, 64> buffer;
    const auto question = co_await try_(service.recv_from(buffer));
    co_await try_(service.send_to(std::span(buffer).first(question.size), question.from));
    co_return eddy::ok();
}

task<result<void>> ask(unix_addr service) {
    // An empty address: the system chooses a name. An unbound() socket has no name, and could not get a reply.
    auto client = co_await try_(unix_datagram::bind(unix_addr()));
    co_await try_(client.send_to("ping", service));
    std::array<char, 64> buffer;
    const auto size = co_await try_(client.recv(buffer));
    std::printf("the service says: %s\n", std::string(buffer.data(), size).c_str());
    co_return eddy::ok();
}

task<result<void>> show_datagrams() {
    const auto name = co_await try_(unix_addr::abstract(own_name()));
    auto service = co_await try_(unix_datagram::bind(name));
    co_await try_(eddy::try_join(answer_one(std::move(service)), ask(name)));
    co_return eddy::ok();
}

task<result<void>> show_all() {
    co_await try_(show_streams());
    co_return co_await show_datagrams();
}

}  // namespace

int main() { return eddy::run(show_all()); }
