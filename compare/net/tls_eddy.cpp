// SPDX-License-Identifier: MIT

// eddy's TLS server of the group `tls`: it echoes what it receives.
//
//     $ bench_tls_eddy --port 7000 --threads 1 --driver epoll --replace-ms 10
//
// It always uses one thread. With --replace-ms it replaces its certificate that often.

#include <eddy/prelude.hpp>
#include <eddy/tls.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <span>

#include "server_process.hpp"
#include "tls_certificate.hpp"

namespace {

using tls_stream = eddy::tls::stream<eddy::net::tcp_stream>;

/// Echoes what a client sends. All connections use one buffer, because it is only in use during a poll.
class echoing {
public:
    using output_type = void;

    explicit echoing(tls_stream& client) noexcept : client_(client) {}

    eddy::poll_result<void> poll(eddy::context& cx) {
        static std::array<std::byte, std::size_t{16} * 1024> buffer;
        for (;;) {
            while (!rest_.empty()) {
                const auto sent = client_.poll_write(cx, rest_);
                if (!sent) return eddy::not_ready;
                if (!*sent) return eddy::poll_result<void>::ready();
                rest_.advance(**sent);
            }
            const auto size = client_.poll_read(cx, buffer);
            if (!size) return eddy::not_ready;
            if (!*size || **size == 0) return eddy::poll_result<void>::ready();
            const auto received = std::span<const std::byte>(buffer).first(**size);
            const auto sent = client_.poll_write(cx, received);
            if (sent && !*sent) return eddy::poll_result<void>::ready();
            const std::size_t count = sent ? **sent : 0;
            if (count != received.size()) rest_ = eddy::bytes::copy_of(received.subspan(count));
        }
    }

private:
    tls_stream& client_;
    eddy::bytes rest_;  // what the connection did not accept; almost always empty
};

eddy::task<void> echo(eddy::net::tcp_stream tcp, eddy::tls::server_config config) {
    auto client = co_await eddy::tls::accept(std::move(tcp), std::move(config));
    if (!client) co_return;
    echoing all(*client);
    co_await all;
}

eddy::result<eddy::tls::identity> make_identity() {
    const auto own = bench::make_certificate();
    return eddy::tls::identity::from_pem(own.certificate, own.key);
}

eddy::task<void> replace(eddy::tls::server_config config, unsigned ms) {
    const std::array identities = {make_identity(), make_identity()};
    for (std::size_t turn = 0;; ++turn) {
        co_await eddy::time::sleep(std::chrono::milliseconds(ms));
        const auto& next = identities[turn % identities.size()];
        if (!next || !config.replace(*next)) bench::die("the certificate cannot be replaced");
    }
}

eddy::task<eddy::result<void>> serve(eddy::core_handle core, std::uint16_t port, unsigned replace_ms) {
    auto identity = co_await eddy::try_(make_identity());
    const auto config = co_await eddy::try_(eddy::tls::server_config::make(std::move(identity)));
    auto socket = co_await eddy::try_(eddy::net::tcp_socket::v4());
    co_await eddy::try_(socket.set_reuse_addr(true));
    co_await eddy::try_(socket.set_nodelay(true));  // inherited by accepted sockets
    co_await eddy::try_(socket.bind({eddy::net::ip_addr::v4_loopback(), port}));
    auto listener = co_await eddy::try_(std::move(socket).listen(bench::backlog));
    const auto address = co_await eddy::try_(listener.local_addr());
    if (replace_ms != 0) core.spawn(replace(config, replace_ms));
    bench::announce(address.port());
    auto incoming = listener.incoming();
    while (auto client = co_await incoming.next()) {
        if (*client) core.spawn(echo(std::move((*client)->stream), config));
    }
    co_return eddy::ok();
}

eddy::result<void> run(const bench::server_options& options) {
    auto core = eddy::core::make();
    if (!core) return std::unexpected(core.error());
    return core->run(serve(core->handle(), options.port, options.replace_ms));
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
