// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/byte_pattern.hpp"
#include "support/dice.hpp"
#include "watch.hpp"

// Bodies whose bytes depend on their operation and their position.

namespace soak {

/// The error of a body that fails on purpose.
inline std::error_code planned_failure() { return std::make_error_code(std::errc::owner_dead); }

/// Decides in which pieces, and with which pauses, a body is transferred.
/// Thread safety: one thread at a time.
class pace {
public:
    pace(std::uint64_t seed, unsigned pauses_one_in, std::shared_ptr<operation> of)
        : random_(seed), pauses_one_in_(pauses_one_in), of_(std::move(of)), has_small_pieces_(random_.one_in(8)) {}
    pace(pace&& other) noexcept = default;  // before the first poll
    pace& operator=(pace&&) = delete;
    ~pace() {
        if (sleep_ && of_) of_->pause(false);
    }

    /// Returns the size of the next piece, at least 1.
    [[nodiscard]] std::size_t piece(std::size_t most) {
        if (has_small_pieces_) most = std::min<std::size_t>(most, 2000);
        return random_.one_in(4) ? random_.between(1, most) : most;
    }
    /// Returns whether the transfer may continue.
    [[nodiscard]] bool poll(eddy::context& cx) {
        if (!sleep_ && pauses_one_in_ != 0 && random_.one_in(pauses_one_in_)) {
            const auto most = random_.one_in(10) ? 500 : 30;
            sleep_.emplace(
                eddy::time::sleep(std::chrono::milliseconds(random_.between(1, static_cast<std::size_t>(most)))));
            of_->pause(true);
        }
        if (!sleep_) return true;
        if (!sleep_->poll(cx)) return false;
        sleep_.reset();
        of_->pause(false);
        return true;
    }
    [[nodiscard]] operation& of() const noexcept { return *of_; }

private:
    support::dice random_;
    unsigned pauses_one_in_;
    std::shared_ptr<operation> of_;
    bool has_small_pieces_;
    std::optional<eddy::time::sleep_future> sleep_;
};

/// Compares received bytes with the pattern.
/// Thread safety: one thread at a time.
class comparison {
public:
    comparison(std::uint64_t key, std::uint64_t size, std::shared_ptr<operation> of)
        : pattern_(key), size_(size), of_(std::move(of)) {}

    void take(std::span<const std::byte> got) {
        of_->moved(got.size());
        for (auto left = got; !left.empty();) {
            std::array<std::byte, 4096> right;
            const auto count = std::min(left.size(), right.size());
            pattern_.fill(position_, std::span(right).first(count));
            if (std::memcmp(right.data(), left.data(), count) != 0) return report(left.first(count), right);
            position_ += count;
            left = left.subspan(count);
        }
        if (position_ > size_) watch::get().fail(*of_, "a body has more than its " + std::to_string(size_) + " bytes");
    }
    /// Reports a body that has ended without an error before its end.
    void finish() {
        if (position_ >= size_) return;
        watch::get().fail(*of_, "a body has ended without an error after " + std::to_string(position_) + " of " +
                                    std::to_string(size_) + " bytes");
    }
    [[nodiscard]] bool is_whole() const noexcept { return position_ == size_; }
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

private:
    void report(std::span<const std::byte> left, const std::array<std::byte, 4096>& right) {
        std::size_t at = 0;
        while (left[at] == right.at(at)) ++at;
        std::string where = "a wrong byte at " + std::to_string(position_ + at) + " of " + std::to_string(size_);
        if (left.size() >= 32) {  // a part that is missing or repeated?
            const auto sample = left.last(16);
            for (std::uint64_t from = 0; from + 16 <= size_; ++from) {
                if (pattern_.matches(from, sample)) {
                    where += "; the bytes are those of position " + std::to_string(from) + " instead of " +
                             std::to_string(position_ + left.size() - 16);
                    break;
                }
            }
        }
        watch::get().fail(*of_, where);
        position_ += left.size();
    }

    support::byte_pattern pattern_;
    std::uint64_t size_;
    std::shared_ptr<operation> of_;
    std::uint64_t position_ = 0;
};

/// A reader of the pattern.
/// Thread safety: one thread at a time.
class pattern_source {
public:
    /// With `fails_at`, the reader fails with planned_failure() at this position.
    pattern_source(std::uint64_t key, std::uint64_t size, pace how,
                   std::optional<std::uint64_t> fails_at = std::nullopt)
        : pattern_(key), size_(size), fails_at_(fails_at), pace_(std::move(how)) {}

    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (into.empty()) return eddy::result<std::size_t>(0);
        if (!pace_.poll(cx)) return eddy::not_ready;
        if (fails_at_ && position_ >= *fails_at_) return eddy::result<std::size_t>(std::unexpected(planned_failure()));
        const auto end = std::min(size_, fails_at_.value_or(size_));
        if (position_ == end) return eddy::result<std::size_t>(0);
        const auto count = std::min<std::size_t>(pace_.piece(into.size()), static_cast<std::size_t>(end - position_));
        pattern_.fill(position_, into.first(count));
        position_ += count;
        pace_.of().moved(0);
        return eddy::result<std::size_t>(count);
    }

private:
    support::byte_pattern pattern_;
    std::uint64_t size_;
    std::optional<std::uint64_t> fails_at_;
    std::uint64_t position_ = 0;
    pace pace_;
};

/// Reads to the end, and compares. Returns the error of the reader.
template <class R>
eddy::task<eddy::result<void>> read_and_compare(R& from, comparison& with, pace how, std::size_t buffer) {
    std::vector<std::byte> memory(std::max<std::size_t>(1, buffer));
    for (;;) {
        co_await eddy::poll_fn([&how](eddy::context& cx) -> eddy::poll_result<void> {
            return how.poll(cx) ? eddy::poll_result<void>::ready() : eddy::poll_result<void>(eddy::not_ready);
        });
        auto count = co_await eddy::io::read(from, std::span(memory).first(how.piece(memory.size())));
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) break;
        with.take(std::span(memory).first(*count));
    }
    with.finish();
    co_return eddy::result<void>();
}

/// Writes a number of bytes of the pattern.
template <class W>
eddy::task<eddy::result<void>> write_pattern(W& to, std::uint64_t key, std::uint64_t size, pace how) {
    const support::byte_pattern pattern(key);
    std::vector<std::byte> memory(20'000);
    for (std::uint64_t position = 0; position < size;) {
        co_await eddy::poll_fn([&how](eddy::context& cx) -> eddy::poll_result<void> {
            return how.poll(cx) ? eddy::poll_result<void>::ready() : eddy::poll_result<void>(eddy::not_ready);
        });
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(how.piece(memory.size()), size - position));
        pattern.fill(position, std::span(memory).first(count));
        auto written = co_await eddy::io::write(to, std::span<const std::byte>(memory).first(count));
        if (!written) co_return std::unexpected(written.error());
        position += *written;
        how.of().moved(0);
    }
    auto flushed = co_await eddy::poll_fn([&to](eddy::context& cx) { return to.poll_flush(cx); });
    co_return flushed;
}

}  // namespace soak
