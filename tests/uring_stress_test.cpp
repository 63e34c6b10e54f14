// SPDX-License-Identifier: MIT
// Operations that are dropped at random moments while their peers keep writing: in the end each byte has come, in order, and
// what was said to be written has arrived.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/conversation.hpp>
#include <support/net.hpp>
#include <support/ring_faults.hpp>
#include <support/runtime.hpp>
#include <support/stress.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using support::byte_pattern;
using support::connection;
using support::dice;

eddy::task<void> some_polls(std::size_t count) {
    while (count-- > 0) co_await eddy::yield_now();
}

/// Polls `operation` a random number of times, or for a random time, and drops it unless it is ready. What it gave.
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

/// The other end, on threads of its own: writes as long as it may, and reads until the stream ends.
class busy_peer {
public:
    busy_peer(const support::raw_socket& at, byte_pattern writes, byte_pattern reads)
        : sends_([this, &at, writes] {
              std::vector<std::byte> part;
              while (!may_stop_) {
                  part = writes.make(written_, 3'000);
                  const auto count = ::send(at.fd(), part.data(), part.size(), MSG_NOSIGNAL);
                  if (count < 0) return;
                  written_ += static_cast<std::uint64_t>(count);
              }
              at.shutdown();
          }),
          receives_([this, &at, reads] {
              std::vector<std::byte> part(10'000);
              for (;;) {
                  // 10 s without a byte end it, too: then the count is not what it should be.
                  const auto count = ::recv(at.fd(), part.data(), part.size(), 0);
                  if (count < 0 && errno == EAGAIN && !may_stop_) continue;
                  if (count <= 0) return;
                  const auto got = std::span(part).first(static_cast<std::size_t>(count));
                  if (!reads.matches(heard_, got)) has_wrong_bytes_ = true;
                  heard_ += got.size();
              }
          }) {}

    void stop_writing() { may_stop_ = true; }
    void join() {
        sends_.join();
        receives_.join();
    }
    // After join():
    [[nodiscard]] std::uint64_t written() const { return written_; }
    [[nodiscard]] std::uint64_t heard() const { return heard_; }
    [[nodiscard]] bool has_wrong_bytes() const { return has_wrong_bytes_; }

private:
    std::atomic<bool> may_stop_ = false;
    std::uint64_t written_ = 0;
    std::uint64_t heard_ = 0;
    bool has_wrong_bytes_ = false;
    std::jthread sends_;
    std::jthread receives_;
};

/// One connection, and so many operations on it and beside it.
class dropper {
public:
    explicit dropper(std::uint64_t seed)
        : random_(seed), ours_(seed * 2), theirs_(seed * 2 + 1), peer_(pair_.peer, theirs_, ours_) {}

    eddy::task<void> run(std::uint64_t operations) {
        listener_.emplace((co_await tcp_listener::bind("127.0.0.1:0")).value());
        const auto to = listener_->local_addr().value();
        for (std::uint64_t i = 0; i < operations; ++i) {
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

class UringStressOn : public testing::TestWithParam<unsigned> {};

TEST_P(UringStressOn, OperationsAreDroppedAtRandomMoments) {
    constexpr std::size_t connections = 8;
    const auto operations = support::rounds(1'000'000) / connections;
    const unsigned workers = GetParam();
    const auto descriptors = support::fd_count();
    const auto mapped = support::mapped_buffers();
    {
        // Only to count: nothing fails.
        const support::ring_faults none(support::seed(), {});
        std::vector<std::unique_ptr<dropper>> all;
        for (std::size_t i = 0; i < connections; ++i) all.push_back(std::make_unique<dropper>(support::seed() + i));
        const auto drop_all = [&]() -> eddy::task<void> {
            std::vector<eddy::join_handle<void>> tasks;
            for (auto& each : all) tasks.push_back(eddy::spawn(each->run(operations)));
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

INSTANTIATE_TEST_SUITE_P(Workers, UringStressOn, testing::Values(0u, 1u, 2u, 4u), testing::PrintToStringParamName());

}  // namespace
