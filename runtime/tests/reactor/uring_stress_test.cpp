// SPDX-License-Identifier: MIT
// Random stress of connections on io_uring: faults between the ring and the kernel, and operations that are dropped at
// random. Each byte arrives in order, nothing hangs, and no descriptor or buffer is leaked.
// runs: once, asan, tsan, ring
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/net.hpp>
#include <support/runtime.hpp>
#include <support/runtime/conversation.hpp>
#include <support/runtime/ring_faults.hpp>
#include <support/stress.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using support::byte_pattern;
using support::connection;
using support::dice;
using support::fault_chances;
using support::ring_fault;
using support::ring_faults;

// ---- Faults ----

struct named_fault {
    ring_fault what;
    const char* name;
};

constexpr std::array all_faults{
    named_fault{ring_fault::interrupted, "InterruptedEnters"},
    named_fault{ring_fault::nothing_taken, "EntersThatTakeNothing"},
    named_fault{ring_fault::busy, "BusyRings"},
    named_fault{ring_fault::some_taken, "EntersThatTakeSome"},
    named_fault{ring_fault::short_send, "ShortSends"},
    named_fault{ring_fault::refused_send, "RefusedSends"},
    named_fault{ring_fault::ended_receive, "ReceivesThatEndByThemselves"},
    named_fault{ring_fault::ended_with_bytes, "ReceivesThatEndWithBytes"},
    named_fault{ring_fault::ended_poll, "WatchesThatEnd"},
};
static_assert(all_faults.size() == static_cast<std::size_t>(ring_fault::count));

struct ring_size {
    unsigned submissions;
    unsigned completions;
};

/// Where the connections run: on an event loop (no workers), or on a runtime.
struct place {
    unsigned workers;
    ring_size size;
};

void PrintTo(const place& where, std::ostream* out) { *out << where.workers << " workers"; }

std::string name_of(const testing::TestParamInfo<place>& info) {
    const auto& [workers, size] = info.param;
    std::string name = workers == 0 ? "Core" : "Workers" + std::to_string(workers);
    if (size.submissions != 0) {
        name += "RingOf" + std::to_string(size.submissions) + "And" + std::to_string(size.completions);
    }
    return name;
}

class UringFaultsStress : public testing::TestWithParam<place> {
protected:
    /// Runs conversations with these faults, of `bytes` bytes per connection, and checks that nothing is leaked.
    void talk(const fault_chances& chances, std::uint64_t seed, std::size_t connections, std::uint64_t bytes) {
        const auto& [workers, size] = GetParam();
        const support::watchdog limit("conversations", support::is_sanitized ? 170s : 50s);
        const auto descriptors = support::fd_count();
        const auto buffers = support::mapped_buffers();
        {
            const ring_faults faults(seed, chances, size.submissions, size.completions);
            // The first conversations keep the ring busy. The others let it wait between any two parts.
            const auto talks = [&]() -> eddy::task<void> {
                co_await support::converse_all(connections, bytes, seed);
                co_await support::ask_all(2, bytes, seed);
                co_await support::write_to_a_peer_that_only_reads(bytes, seed);
                co_await support::read_from_a_peer_that_only_writes(bytes, seed);
            };
            if (workers == 0) {
                auto loop = eddy::core::builder().driver(eddy::driver_kind::io_uring).build().value();
                loop.run(talks());
            } else {
                const auto pool = eddy::runtime::builder()
                                      .worker_threads(workers)
                                      .driver(eddy::driver_kind::io_uring)
                                      .build()
                                      .value();
                pool.block_on(talks());
            }
            EXPECT_GE(faults.rings_made(), 1u);
            EXPECT_EQ(faults.rings_alive(), 0u);
            EXPECT_EQ(faults.buffer_mistakes(), 0u);
            EXPECT_GT(faults.buffers_used(), 0u);
            times_too_short_ += faults.full_submissions() + faults.overflows();
            for (const auto& [what, name] : all_faults) {
                happened_[static_cast<std::size_t>(what)] += faults.happened(what);
            }
        }
        EXPECT_TRUE(support::comes_true([&] { return support::fd_count() == descriptors; }));
        EXPECT_EQ(support::mapped_buffers(), buffers);
    }

    void TearDown() override {
        // Queues of a few entries must have been too short at times, or the test has tested nothing.
        EXPECT_TRUE(GetParam().size.submissions == 0 || times_too_short_ > 0);
    }

    [[nodiscard]] bool has_happened(const named_fault& fault) const {
        return happened_[static_cast<std::size_t>(fault.what)] != 0;
    }
    void expect_happened(const named_fault& fault) const {
        EXPECT_TRUE(has_happened(fault)) << fault.name << ": the fault did not happen";
    }

private:
    std::array<std::uint64_t, all_faults.size()> happened_{};
    std::uint64_t times_too_short_ = 0;
};

// covers: R101 R110
TEST_P(UringFaultsStress, EachFaultAloneLosesNoBytesOrBuffers) {
    for (const auto& fault : all_faults) {
        SCOPED_TRACE(fault.name);
        // Adds rounds until the fault has happened: a round with unlucky draws has no opportunity for it.
        const auto most = support::rounds(50) + 20;
        for (std::uint64_t round = 0; round < support::rounds(50) || (!has_happened(fault) && round < most); ++round) {
            fault_chances chances;
            // A fault that can happen once per driver tick has fewer opportunities than one that can happen once per
            // send.
            talk(chances.set(fault.what, fault.what == ring_fault::ended_poll ? 300 : 100), support::seed() + round, 8,
                 200'000);
            if (HasFailure()) return;
        }
        expect_happened(fault);
    }
}

// covers: S05 B03
TEST_P(UringFaultsStress, AllFaultsTogetherLoseNoBytesOrBuffers) {
    for (const unsigned chance : {10u, 100u, 300u}) {
        SCOPED_TRACE(chance);
        for (std::uint64_t round = 0; round < support::rounds(100); ++round) {
            talk(fault_chances().set_all(chance), support::seed() + round, 16, 100'000);
            if (HasFailure()) return;
        }
    }
    for (const auto& fault : all_faults) expect_happened(fault);
}

TEST_P(UringFaultsStress, ConnectionsWithoutFaultsLoseNoBytes) {
    for (std::uint64_t round = 0; round < support::rounds(50); ++round) {
        talk(fault_chances(), support::seed() + round, 16, 500'000);
    }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, UringFaultsStress,
                         testing::Values(place{0, {0, 0}}, place{0, {4, 8}}, place{2, {0, 0}}, place{2, {8, 16}}),
                         name_of);

// ---- Dropped operations ----

eddy::task<void> some_polls(std::size_t count) {
    while (count-- > 0) co_await eddy::yield_now();
}

/// Polls `operation` a random number of times, or for a random time, and drops it unless it is ready. Returns its
/// output, or nullopt if it was dropped.
template <class F>
eddy::task<std::optional<eddy::output_t<F>>> for_a_while(F operation, dice& random) {
    if (random.one_in(20)) {
        auto limited = eddy::time::timeout(std::chrono::microseconds(random.between(0, 300)), std::move(operation));
        auto answer = co_await limited;
        if (!answer) co_return std::nullopt;
        co_return *std::move(answer);
    }
    auto either = eddy::select(std::move(operation), some_polls(random.between(0, 3)));
    auto first = co_await either;
    if (first.index() == 1) co_return std::nullopt;
    co_return std::get<0>(std::move(first));
}

/// The peer, on its own threads: writes until stop_writing(), and reads until the end of the stream.
class busy_peer {
public:
    busy_peer(const support::raw_socket& at, byte_pattern writes, byte_pattern reads)
        : at_(at),
          sends_([this, &at, writes] {
              std::vector<std::byte> part;
              while (!may_stop_) {
                  part = writes.make(written_, 3'000);
                  const auto count = ::send(at.fd(), part.data(), part.size(), MSG_NOSIGNAL);
                  // 10 s have passed without free buffer space: the machine is busy
                  if (count < 0 && errno == EAGAIN) continue;
                  if (count < 0) return;
                  written_ += static_cast<std::uint64_t>(count);
              }
              at.shutdown();
          }),
          receives_([this, &at, reads] {
              std::vector<std::byte> part(10'000);
              for (;;) {
                  const auto count = ::recv(at.fd(), part.data(), part.size(), 0);
                  if (count < 0 && errno == EAGAIN) continue;  // as above
                  if (count <= 0) return;
                  const auto got = std::span(part).first(static_cast<std::size_t>(count));
                  if (!reads.matches(heard_, got)) has_wrong_bytes_ = true;
                  heard_ += got.size();
              }
          }) {}

    busy_peer(const busy_peer&) = delete;
    busy_peer& operator=(const busy_peer&) = delete;
    /// Ends both threads if the test has failed before join().
    ~busy_peer() {
        may_stop_ = true;
        at_.shutdown(SHUT_RDWR);
    }

    void stop_writing() { may_stop_ = true; }
    void join() {
        sends_.join();
        receives_.join();
    }
    // Call these functions only after join().
    [[nodiscard]] std::uint64_t written() const { return written_; }
    [[nodiscard]] std::uint64_t heard() const { return heard_; }
    [[nodiscard]] bool has_wrong_bytes() const { return has_wrong_bytes_; }

private:
    const support::raw_socket& at_;
    std::atomic<bool> may_stop_ = false;
    std::uint64_t written_ = 0;
    std::uint64_t heard_ = 0;
    bool has_wrong_bytes_ = false;
    std::jthread sends_;
    std::jthread receives_;
};

/// Runs random operations on one connection and on a listener, and drops some of them.
class dropper {
public:
    explicit dropper(std::uint64_t seed)
        : random_(seed), ours_(seed * 2), theirs_(seed * 2 + 1), peer_(pair_.peer, theirs_, ours_) {}

    eddy::task<void> run(std::uint64_t most_operations) {
        listener_.emplace((co_await tcp_listener::bind("127.0.0.1:0")).value());
        const auto to = listener_->local_addr().value();
        for (support::handover_rounds operations(most_operations); operations.next();) {
            const auto into = std::span(buffer_).first(random_.between(1, buffer_.size()));
            switch (random_.between(0, 9)) {
            case 0:
            case 1: {
                const auto count = co_await for_a_while(pair_.stream.read(into), random_);
                if (count) hear(into.first(count->value()));
                break;
            }
            case 2:
            case 3: {
                auto lease = co_await for_a_while(pair_.stream.receive(), random_);
                if (lease) hear(std::span(lease->value().data(), lease->value().size()));
                break;
            }
            case 4: {
                const auto count = co_await for_a_while(pair_.stream.peek(into), random_);
                if (count) compare(into.first(count->value()));
                break;
            }
            case 5:
            case 6: {
                const auto bytes = ours_.make(told_, random_.between(1, random_.one_in(10) ? 50'000 : 500));
                const auto count = co_await for_a_while(pair_.stream.write(bytes), random_);
                if (count) told_ += count->value();
                break;
            }
            case 7: {
                static_cast<void>(co_await for_a_while(pair_.stream.readable(), random_));
                break;
            }
            case 8: {
                auto accepted = co_await for_a_while(listener_->accept(), random_);
                if (accepted) kept_.push_back(std::move(*accepted).value().stream);
                break;
            }
            default: {
                auto made = co_await for_a_while(tcp_stream::connect(to), random_);
                if (made) kept_.push_back(std::move(*made).value());
            }
            }
            if (kept_.size() > 20) kept_.clear();
        }
        peer_.stop_writing();
        const auto ended = co_await pair_.stream.shutdown();
        if (!ended) throw std::runtime_error("shutdown: " + ended.error().message());
        for (;;) {
            const auto count = co_await pair_.stream.read(buffer_);
            if (count.value() == 0) break;
            hear(std::span(buffer_).first(*count));
        }
    }

    void expect_all_arrived() {
        peer_.join();
        EXPECT_EQ(heard_, peer_.written());
        EXPECT_EQ(peer_.heard(), told_);
        EXPECT_FALSE(peer_.has_wrong_bytes());
        EXPECT_GT(heard_, 0u);
        EXPECT_GT(told_, 0u);
    }

private:
    void compare(std::span<const std::byte> got) const {
        if (!theirs_.matches(heard_, got)) throw std::runtime_error("other bytes from " + std::to_string(heard_));
    }
    void hear(std::span<const std::byte> got) {
        compare(got);
        heard_ += got.size();
    }

    dice random_;
    const byte_pattern ours_;
    const byte_pattern theirs_;
    std::uint64_t told_ = 0;
    std::uint64_t heard_ = 0;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(5'000);
    connection pair_;
    std::optional<tcp_listener> listener_;
    std::vector<tcp_stream> kept_;
    busy_peer peer_;
};

class UringDropStress : public testing::TestWithParam<unsigned> {};

// covers: S05 B03
TEST_P(UringDropStress, RandomlyDroppedOperationsLoseNoBytes) {
    constexpr std::size_t connections = 8;
    const unsigned workers = GetParam();
    const auto descriptors = support::fd_count();
    const auto mapped = support::mapped_buffers();
    {
        // This object only counts events of the rings. It injects no fault.
        const support::ring_faults none(support::seed(), {});
        std::vector<std::unique_ptr<dropper>> all;
        for (std::size_t i = 0; i < connections; ++i) all.push_back(std::make_unique<dropper>(support::seed() + i));
        const auto drop_all = [&]() -> eddy::task<void> {
            std::vector<eddy::join_handle<void>> tasks;
            for (auto& each : all) tasks.push_back(eddy::spawn(each->run(1'000'000 / connections)));
            for (auto& each : tasks) {
                const auto done = co_await each;
                if (!done) done.error().rethrow();
            }
        };
        if (workers == 0) {
            auto loop = eddy::core::builder().driver(eddy::driver_kind::io_uring).build().value();
            loop.run(drop_all());
            for (auto& each : all) each->expect_all_arrived();
            all.clear();
        } else {
            const auto pool =
                eddy::runtime::builder().worker_threads(workers).driver(eddy::driver_kind::io_uring).build().value();
            pool.block_on(drop_all());
            for (auto& each : all) each->expect_all_arrived();
            all.clear();
        }
        EXPECT_EQ(none.rings_alive(), 0u);
        EXPECT_EQ(none.buffer_mistakes(), 0u);
        EXPECT_GT(none.buffers_used(), 0u);
    }
    EXPECT_TRUE(support::comes_true([&] { return support::fd_count() == descriptors; }));
    EXPECT_EQ(support::mapped_buffers(), mapped);
}

INSTANTIATE_TEST_SUITE_P(Workers, UringDropStress, testing::Values(0u, 1u, 2u, 4u), testing::PrintToStringParamName());

}  // namespace
