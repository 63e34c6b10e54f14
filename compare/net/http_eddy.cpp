// SPDX-License-Identifier: MIT

// eddy's HTTP server of the group `http`: a typical program.
//
//     $ bench_http_eddy --port 7000 --threads 1 --driver epoll
//
// One thread uses eddy::core, several threads use eddy::runtime with that number of workers.

#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <cstdio>
#include <cstdlib>
#include <expected>

#include "server_process.hpp"

namespace {

eddy::task<eddy::http::response> hello(eddy::http::request) { co_return eddy::http::response::text("Hello, World!"); }

eddy::task<eddy::result<void>> serve(std::uint16_t port) {
    auto socket = co_await eddy::try_(eddy::net::tcp_socket::v4());
    co_await eddy::try_(socket.set_reuse_addr(true));
    co_await eddy::try_(socket.bind({eddy::net::ip_addr::v4_loopback(), port}));
    auto listener = co_await eddy::try_(std::move(socket).listen(bench::backlog));
    const auto address = co_await eddy::try_(listener.local_addr());
    bench::announce(address.port());
    co_await eddy::try_(eddy::http::serve(std::move(listener), hello));
    co_return eddy::ok();
}

eddy::result<void> run(const bench::server_options& options) {
    if (options.threads == 1) {
        auto core = eddy::core::make();
        if (!core) return std::unexpected(core.error());
        return core->run(serve(options.port));
    }
    const auto runtime = eddy::runtime::builder().worker_threads(options.threads).build();
    if (!runtime) return std::unexpected(runtime.error());
    return runtime->block_on(serve(options.port));
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = bench::parse_options(argc, argv, true);
    bench::prepare_process();
    if (options.driver != nullptr) ::setenv("EDDY_DRIVER", options.driver, 1);
    const auto ended = run(options);
    std::fprintf(stderr, "%s: %s\n", argv[0], ended ? "ended by itself" : ended.error().message().c_str());
    return 1;
}
