// SPDX-License-Identifier: MIT

// eddy's echo server of the group `net`: a typical program, with leased buffers.
//
//     $ bench_echo_eddy --port 7000 --threads 1 --driver epoll
//
// One thread uses eddy::core, several threads use eddy::runtime with that number of workers.

#include <eddy/prelude.hpp>

#include <cstdio>
#include <cstdlib>
#include <expected>

#include "server_process.hpp"

namespace {

eddy::task<void> echo(eddy::net::tcp_stream client) {
    for (;;) {
        auto data = co_await client.receive();
        if (!data || data->empty()) co_return;
        if (!co_await client.write_owned(*std::move(data))) co_return;
    }
}

/// Runs the server. Only `spawn` differs between a core and a runtime.
template <class Spawn>
eddy::task<eddy::result<void>> serve(std::uint16_t port, Spawn spawn) {
    auto socket = co_await eddy::try_(eddy::net::tcp_socket::v4());
    co_await eddy::try_(socket.set_reuse_addr(true));
    co_await eddy::try_(socket.set_nodelay(true));  // inherited by accepted sockets
    co_await eddy::try_(socket.bind({eddy::net::ip_addr::v4_loopback(), port}));
    auto listener = co_await eddy::try_(std::move(socket).listen(bench::backlog));
    const auto address = co_await eddy::try_(listener.local_addr());
    bench::announce(address.port());
    auto incoming = listener.incoming();
    while (auto client = co_await incoming.next()) {
        // An error concerns one connection, or a temporary lack of descriptors, for which the listener itself pauses.
        if (*client) spawn(echo(std::move((*client)->stream)));
    }
    co_return eddy::ok();
}

eddy::result<void> run_on_core(std::uint16_t port) {
    auto core = eddy::core::make();
    if (!core) return std::unexpected(core.error());
    // core_handle::spawn() makes tasks without a join handle, which need less memory.
    return core->run(serve(port, [handle = core->handle()](auto client) { handle.spawn(std::move(client)); }));
}

eddy::result<void> run_on_runtime(std::uint16_t port, unsigned workers) {
    const auto runtime = eddy::runtime::builder().worker_threads(workers).build();
    if (!runtime) return std::unexpected(runtime.error());
    return runtime->block_on(serve(port, [](auto client) { eddy::spawn(std::move(client)); }));
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = bench::parse_options(argc, argv, true);
    bench::prepare_process();
    if (options.driver != nullptr) ::setenv("EDDY_DRIVER", options.driver, 1);
    const auto ended = options.threads == 1 ? run_on_core(options.port) : run_on_runtime(options.port, options.threads);
    std::fprintf(stderr, "%s: %s\n", argv[0], ended ? "ended by itself" : ended.error().message().c_str());
    return 1;
}
