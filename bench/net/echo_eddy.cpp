// SPDX-License-Identifier: MIT

// eddy's echo server of the net bench: what a user of eddy would write, with leased buffers.
//
//     $ bench_echo_eddy --port 7000 --threads 1 --driver epoll
//
// One thread is eddy::core, more are eddy::runtime with so many workers.

#include <eddy/prelude.hpp>

#include <cstdlib>

#include "server_process.hpp"

namespace {

eddy::task<void> echo(eddy::net::tcp_stream client) {
    for (;;) {
        auto data = co_await client.receive();
        if (!data || data->empty()) co_return;
        if (!co_await client.write_all(*data)) co_return;
    }
}

/// The same on a core and on a runtime: the socket belongs to the loop that accepts first, a client's task to whoever
/// runs this one.
eddy::task<void> serve(std::uint16_t port) {
    auto socket = eddy::net::tcp_socket::v4().value();
    socket.set_reuse_addr(true).value();
    socket.set_nodelay(true).value();  // the accepted ones inherit it
    socket.bind({eddy::net::ip_addr::v4_loopback(), port}).value();
    auto listener = std::move(socket).listen(bench::backlog).value();
    bench::announce(listener.local_addr().value().port());
    auto incoming = listener.incoming();
    while (auto client = co_await incoming.next()) {
        // An error is of one connection, or passes when others are closed: the listener itself pauses meanwhile.
        if (*client) eddy::spawn(echo(std::move((*client)->stream)));
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = bench::parse_options(argc, argv, true);
    bench::prepare_process();
    if (options.driver != nullptr) ::setenv("EDDY_DRIVER", options.driver, 1);
    if (options.threads == 1)
        eddy::core().run(serve(options.port));
    else
        eddy::runtime::builder().worker_threads(options.threads).build().value().block_on(serve(options.port));
}
