// SPDX-License-Identifier: MIT
// The echo server of the net bench on one event loop: what a user of eddy would write, with leased buffers.
//     bench_echo_core --port N [--driver D]        ends on SIGTERM
#include <eddy/prelude.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

eddy::task<void> echo(eddy::net::tcp_stream client) {
    if (!client.set_nodelay(true)) co_return;
    for (;;) {
        auto data = co_await client.receive();
        if (!data || data->empty()) co_return;
        if (!co_await client.write_all(*data)) co_return;
    }
}

}  // namespace

int main(int argc, char** argv) {
    int port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], "--port") == 0) port = std::atoi(argv[i + 1]);
        if (std::strcmp(argv[i], "--driver") == 0) ::setenv("EDDY_DRIVER", argv[i + 1], 1);
    }
    std::signal(SIGTERM, [](int) { std::_Exit(0); });
    eddy::core core;
    auto handle = core.handle();
    const eddy::net::socket_addr addr(eddy::net::ip_addr::v4_loopback(), static_cast<std::uint16_t>(port));
    auto listener = eddy::net::tcp_listener::bind(addr, handle).value();
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    core.run(listener.incoming().for_each([handle](eddy::net::tcp_stream client, eddy::net::socket_addr) {
            handle.spawn(echo(std::move(client)));
        }))
        .value();
}
