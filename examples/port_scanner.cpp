// SPDX-License-Identifier: MIT
// A port scanner: tries many ports at the same time, each for a limited time, and prints the open ones in order.
//     $ ./port_scanner 127.0.0.1 1 1024
//     22 open
//     1 open, 1023 closed, 0 without an answer
#include <eddy/prelude.hpp>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <ranges>
#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using eddy::try_;

enum class state { open, closed, silent };

task<std::pair<std::uint16_t, state>> probe(net::ip_addr host, std::uint16_t port) {
    const auto stream = co_await eddy::time::try_timeout(500ms, net::tcp_stream::connect(net::socket_addr(host, port)));
    const bool is_late = !stream && stream.error() == eddy::errc::timed_out;
    co_return std::pair(port, stream ? state::open : is_late ? state::silent : state::closed);
}

task<result<void>> scan(net::ip_addr host, std::uint16_t first, std::uint16_t last) {
    std::array<int, 3> counts{};
    // Two hundred connections at a time; the results arrive in the order of the ports.
    auto found = eddy::streams::iter(std::views::iota(int{first}, int{last} + 1))
                     .map([=](int port) { return probe(host, static_cast<std::uint16_t>(port)); })
                     .buffered(200);
    while (auto one = co_await found.next()) {
        ++counts[static_cast<std::size_t>(one->second)];
        if (one->second == state::open) std::printf("%u open\n", one->first);
    }
    std::printf("%d open, %d closed, %d without an answer\n", counts[0], counts[1], counts[2]);
    co_return eddy::ok();
}

bool parse_port(std::string_view text, std::uint16_t& port) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

int main(int argc, char** argv) {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    const auto host = net::ip_addr::parse(argc > 1 ? argv[1] : "");
    if (argc != 4 || !host || !parse_port(argv[2], first) || !parse_port(argv[3], last)) {
        std::fprintf(stderr, "usage: %s IP_ADDRESS FIRST_PORT LAST_PORT\n", argv[0]);
        return 2;
    }
    return eddy::run(scan(*host, first, last));
}
