// SPDX-License-Identifier: MIT
// The program of the README: the smallest server that serves many clients concurrently.
//     $ ./readme_echo        and, in two more terminals,        $ nc 127.0.0.1 6142
#include <eddy/prelude.hpp>

eddy::task<void> echo(eddy::net::tcp_stream client) {
    std::array<std::byte, 4096> buffer;
    for (;;) {
        auto n = co_await client.read(buffer);
        if (!n || *n == 0) co_return;  // an error, or the peer closed its side
        auto written = co_await client.write_all(std::span(buffer).first(*n));
        if (!written) co_return;
    }
}

// docs: serve
eddy::task<eddy::any_result<void>> serve() {
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind("127.0.0.1:6142"));
    for (;;) {
        auto client = co_await eddy::try_(listener.accept());
        eddy::spawn(echo(std::move(client.stream)));  // served concurrently
    }
}
// docs: end

// Prints an error and returns 1: "Error: bind to 127.0.0.1:6142: Address already in use"
int main() { return eddy::run(serve()); }
