// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/test/by_hand.hpp>

// Readers and writers that move a limited number of bytes per call, and finish(), which polls a future until it is
// ready.

namespace support {

inline std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Determines how a reader or writer moves its bytes.
struct chop {
    std::size_t most = 1;       // bytes per call
    bool waits_between = true;  // each call is pending once and wakes its task, before it moves bytes
    std::size_t fails_at = std::numeric_limits<std::size_t>::max();  // an io_error after this number of bytes
    std::size_t overstates_by = 0;                                   // the returned count is too large by this number
    std::size_t full_at = std::numeric_limits<std::size_t>::max();   // capacity of a writer, in bytes

    /// Returns whether bytes may be moved now.
    [[nodiscard]] bool may_go_on(eddy::context& cx) {
        if (!waits_between || std::exchange(has_waited_, !has_waited_)) return true;
        cx.waker().wake_by_ref();
        return false;
    }

private:
    bool has_waited_ = false;
};

class choppy_reader {
public:
    explicit choppy_reader(std::string text, chop how = {}) : text_(std::move(text)), how_(how) {}

    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        ++polls_;
        if (!how_.may_go_on(cx)) return eddy::not_ready;
        if (at_ >= how_.fails_at) return failure();
        const std::size_t count = std::min({into.size(), how_.most, text_.size() - at_, how_.fails_at - at_});
        std::ranges::copy(as_bytes(text_).subspan(at_, count), into.begin());
        at_ += count;
        return eddy::ok(count + how_.overstates_by);
    }

    [[nodiscard]] std::size_t position() const noexcept { return at_; }
    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }

private:
    static eddy::result<std::size_t> failure() {
        return eddy::result<std::size_t>(std::unexpect, std::make_error_code(std::errc::io_error));
    }

    std::string text_;
    chop how_;
    std::size_t at_ = 0;
    std::uint64_t polls_ = 0;
};

class choppy_writer {
public:
    explicit choppy_writer(chop how = {}) : how_(how) {}

    eddy::poll_result<eddy::result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        ++polls_;
        if (!how_.may_go_on(cx)) return eddy::not_ready;
        if (got_.size() >= how_.fails_at)
            return eddy::result<std::size_t>(std::unexpect, std::make_error_code(std::errc::io_error));
        const std::size_t room = std::min(how_.fails_at, how_.full_at) - got_.size();
        const std::size_t count = std::min({from.size(), how_.most, room});
        got_ += as_text(from.first(count));
        return eddy::ok(count + how_.overstates_by);
    }
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context& cx) {
        if (!how_.may_go_on(cx)) return eddy::not_ready;
        flushed_ = got_.size();
        ++flushes_;
        return eddy::ok();
    }
    eddy::poll_result<eddy::result<void>> poll_shutdown(eddy::context& cx) {
        if (!how_.may_go_on(cx)) return eddy::not_ready;
        is_shut_down_ = true;
        return eddy::ok();
    }

    [[nodiscard]] const std::string& got() const noexcept { return got_; }
    [[nodiscard]] std::size_t flushed() const noexcept { return flushed_; }
    [[nodiscard]] int flushes() const noexcept { return flushes_; }
    [[nodiscard]] bool is_shut_down() const noexcept { return is_shut_down_; }
    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }

private:
    std::string got_;
    chop how_;
    std::size_t flushed_ = 0;
    int flushes_ = 0;
    bool is_shut_down_ = false;
    std::uint64_t polls_ = 0;
};

/// Polls until the future is ready. Throws if a poll is pending without a wake, or after ten million polls.
template <class F>
eddy::output_t<F> finish(F&& future) {
    const eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    for (int i = 0; i < 10'000'000; ++i) {
        const auto before = counter.wakes();
        eddy::context cx(waker);
        if (auto answer = future.poll(cx)) return *std::move(answer);
        if (counter.wakes() == before) throw std::runtime_error("the future is pending and its task was not woken");
    }
    throw std::runtime_error("not ready after ten million polls");
}

/// Returns all combinations of `most` and `waits_between` that a test should try.
inline std::vector<chop> all_chops() {
    std::vector<chop> all;
    for (const std::size_t most : {1u, 2u, 3u, 7u, 64u, 100'000u}) {
        for (const bool waits : {false, true}) {
            chop how;
            how.most = most;
            how.waits_between = waits;
            all.push_back(how);
        }
    }
    return all;
}

}  // namespace support
