// SPDX-License-Identifier: MIT
// Micro-benchmarks of datagrams: one by one, and in batches.
#include <benchmark/benchmark.h>

#include <eddy/prelude.hpp>

#include <string>
#include <vector>

namespace {

constexpr std::size_t batch = 64;

/// Two UDP sockets of an event loop, and 64 datagrams that are sent from one to the other.
class udp_pair {
public:
    explicit udp_pair(std::size_t size) : bytes_(size), rooms_(batch, std::vector<std::byte>(2048)) {
        for (auto& each : rooms_) incoming_.emplace_back(each);
        outgoing_.assign(batch, eddy::net::outgoing_datagram(bytes_, to_));
        receiver_.set_recv_buffer_size(1 << 20).value();
    }

    eddy::task<bool> one_by_one() {
        for (std::size_t i = 0; i < batch; ++i) {
            if (!co_await sender_.send_to(bytes_, to_)) co_return false;
        }
        for (auto& room : rooms_) {
            if (!co_await receiver_.recv_from(room)) co_return false;
        }
        co_return true;
    }

    eddy::task<bool> in_batches() {
        if (co_await sender_.send_many(outgoing_) != batch) co_return false;
        std::size_t received = 0;
        while (received < batch) {
            const auto count = co_await receiver_.recv_many(incoming_);
            if (!count) co_return false;
            received += *count;
        }
        co_return true;
    }

    eddy::core& core() noexcept { return core_; }

private:
    static eddy::net::udp_socket bound(const eddy::core& core) {
        const eddy::net::socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);
        return eddy::net::udp_socket::bind(any, core.handle()).value();
    }

    eddy::core core_;
    eddy::net::udp_socket sender_ = bound(core_);
    eddy::net::udp_socket receiver_ = bound(core_);
    eddy::net::socket_addr to_ = receiver_.local_addr().value();
    std::vector<std::byte> bytes_;
    std::vector<std::vector<std::byte>> rooms_;
    std::vector<eddy::net::incoming_datagram> incoming_;
    std::vector<eddy::net::outgoing_datagram> outgoing_;
};

template <class Round>
void measure(benchmark::State& state, Round round) {
    udp_pair pair(static_cast<std::size_t>(state.range(0)));
    while (state.KeepRunningBatch(batch)) {
        if (!pair.core().run(round(pair))) state.SkipWithError("a datagram was not sent, or not received");
    }
}

// ns per datagram of 32 or 1,200 bytes that one task sends and receives over loopback, with one call each.
void udp_one_by_one(benchmark::State& state) {
    measure(state, [](udp_pair& pair) { return pair.one_by_one(); });
}
BENCHMARK(udp_one_by_one)->Arg(32)->Arg(1200);

// ns per datagram that one task sends and receives over loopback, with send_many() and recv_many(), 64 at a time.
void udp_in_batches(benchmark::State& state) {
    measure(state, [](udp_pair& pair) { return pair.in_batches(); });
}
BENCHMARK(udp_in_batches)->Arg(32)->Arg(1200);

}  // namespace
