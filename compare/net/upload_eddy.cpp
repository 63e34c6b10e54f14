// SPDX-License-Identifier: MIT

// eddy's HTTPS server of the cases UPLOAD: it receives the body of each request, and answers with its size.
//
//     $ bench_upload_eddy --port 7000 --threads 1 --driver epoll
//
// One thread uses eddy::core, several threads use eddy::runtime with that number of workers.

#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/tls.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <limits>
#include <string>
#include <utility>

#include "server_process.hpp"
#include "tls_certificate.hpp"

namespace {

eddy::task<eddy::result<eddy::http::response>> size_of_body(eddy::http::request asked) {
    std::array<std::byte, std::size_t{32} * 1024> part;  // as in Go's io.Copy()
    std::uint64_t all = 0;
    for (;;) {
        const auto count = co_await eddy::try_(eddy::io::read(asked.body, part));
        if (count == 0) break;
        all += count;
    }
    co_return eddy::http::response::text(std::to_string(all));
}

eddy::task<eddy::result<void>> serve(std::uint16_t port) {
    const auto own = bench::make_certificate();
    auto identity = co_await eddy::try_(eddy::tls::identity::from_pem(own.certificate, own.key));
    auto builder = eddy::tls::server_builder(std::move(identity));
    const auto config = co_await eddy::try_(builder.alpn(eddy::http::alpn_protocols()).build());
    const eddy::http::service app(size_of_body);
    const auto options = eddy::http::serve_options().body_limit(std::numeric_limits<std::uint64_t>::max());
    const auto handler = [=](eddy::net::tcp_stream tcp, eddy::net::socket_addr peer,
                             eddy::net::serve_connection connection) -> eddy::task<eddy::result<void>> {
        auto stream = co_await eddy::try_(eddy::tls::accept(std::move(tcp), config));
        co_return co_await eddy::http::serve_connection(std::move(stream), app, options, std::move(connection), peer);
    };
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind({eddy::net::ip_addr::v4_loopback(), port}));
    const auto address = co_await eddy::try_(listener.local_addr());
    bench::announce(address.port());
    co_await eddy::try_(eddy::net::serve(std::move(listener), handler));
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
