// SPDX-License-Identifier: MIT
// A server on one event loop, all on one thread. The listener is a stream of connections; one task serves each.
//     $ ./event_loop_server              and, in two more terminals,
//     $ nc 127.0.0.1 8080                prints the lines that you type
// The argument is another address. ./event_loop_server 127.0.0.1:0 uses a free port and prints it.
#include <eddy/prelude.hpp>

#include <cstdio>

namespace {

// ---- One client ----

// docs: process
eddy::task<void> process(eddy::net::tcp_stream client) {
    std::array<std::byte, 4096> buffer;  // in the coroutine frame, so it survives each await
    for (;;) {
        auto n = co_await client.read(buffer);
        if (!n || *n == 0) co_return;  // errors are handled here: the output is void
        if (!co_await client.write_all(std::span(buffer).first(*n))) co_return;
    }
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    const char* const where = argc > 1 ? argv[1] : "127.0.0.1:8080";

    // docs: loop
    auto core = eddy::expect(eddy::core::make(), "make the event loop");
    auto addr = eddy::expect(eddy::net::socket_addr::parse(where), "parse the address");
    auto handle = core.handle();
    auto listener = eddy::expect(eddy::net::tcp_listener::bind(addr, handle), "start");  // bound to this loop
    // docs: end
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);

    // docs: server
    auto server = listener.incoming().for_each([handle](eddy::net::tcp_stream client, eddy::net::socket_addr) {
        handle.spawn(process(std::move(client)));  // served concurrently, on this thread
        return eddy::ok();                         // keep accepting connections
    });
    eddy::expect(core.run(std::move(server)), "serve");  // runs the loop on this thread until `server` ends
    // docs: end
}
