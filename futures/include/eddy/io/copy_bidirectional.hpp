// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/copy.hpp>
#include <eddy/io/detail/idle_timer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::io {

/// The number of bytes that copy_bidirectional() copied in each direction.
/// Thread safety: a plain value.
struct copied {
    std::uint64_t a_to_b = 0;  ///< from the first object to the second
    std::uint64_t b_to_a = 0;  ///< from the second object to the first

    /// Constructs the counts.
    copied() noexcept = default;
    copied(std::uint64_t there, std::uint64_t back) noexcept : a_to_b(there), b_to_a(back) {}

    friend bool operator==(const copied&, const copied&) noexcept = default;
};

/// The options of copy_bidirectional(): `copy_options().idle_timeout(30s)`.
class copy_options {
public:
    /// The default options.
    copy_options() noexcept = default;

    /// Sets the sizes of the two buffers, in bytes. The default is default_copy_buffer.
    copy_options& buffer_sizes(std::size_t a_to_b, std::size_t b_to_a) noexcept {
        a_to_b_ = a_to_b;
        b_to_a_ = b_to_a;
        return *this;
    }
    /// Sets the maximum time in which no byte is copied in either direction. After that time, the copy fails with
    /// errc::timed_out. There is no limit by default.
    copy_options& idle_timeout(std::chrono::nanoseconds limit) noexcept {
        idle_timeout_ = limit;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t a_to_b_buffer() const noexcept { return a_to_b_; }
    [[nodiscard]] std::size_t b_to_a_buffer() const noexcept { return b_to_a_; }
    [[nodiscard]] std::optional<std::chrono::nanoseconds> idle_timeout() const noexcept { return idle_timeout_; }

private:
    std::size_t a_to_b_ = default_copy_buffer;
    std::size_t b_to_a_ = default_copy_buffer;
    std::optional<std::chrono::nanoseconds> idle_timeout_;
};

}  // namespace eddy::io

namespace eddy::detail {

/// One direction of the copy: copies until the reader ends, then shuts the writer down.
///     running --end of the reader--> shutting down --> done
class copy_direction {
public:
    copy_direction(std::size_t buffer_size, std::source_location where) : copying_(buffer_size, where) {}

    template <class R, class W>
    poll_result<result<void>> poll(context& cx, R& from, W& to) {
        if (state_ == state::running) {
            const auto all = copying_.poll(cx, from, to);
            if (!all) return not_ready;
            if (!*all) return result<void>(std::unexpect, all->error());
            state_ = state::shutting_down;
        }
        if (state_ == state::shutting_down) {
            auto ended = to.poll_shutdown(cx);
            if (!ended || !*ended) return ended;
            state_ = state::done;
        }
        return ok();
    }
    void end() noexcept { copying_.end(); }
    [[nodiscard]] std::uint64_t written() const noexcept { return copying_.written(); }

private:
    enum class state : unsigned char { running, shutting_down, done };

    copying copying_;
    state state_ = state::running;
};

}  // namespace eddy::detail

namespace eddy::io {

/// The future of copy_bidirectional().
template <class A, class B>
class [[nodiscard("an operation does nothing until it is awaited")]] copy_bidirectional_future
    : public detail::io_future<copy_bidirectional_future<A, B>, result<copied>> {
public:
    using output_type = result<copied>;

    copy_bidirectional_future(A& a, B& b, std::size_t a_to_b_size, std::size_t b_to_a_size, std::source_location where)
        : a_(&a), b_(&b), a_to_b_(a_to_b_size, where), b_to_a_(b_to_a_size, where) {}
    copy_bidirectional_future(A& a, B& b, const copy_options& options, std::source_location where)
        : copy_bidirectional_future(a, b, options.a_to_b_buffer(), options.b_to_a_buffer(), where) {
        if (options.idle_timeout()) idle_.emplace(*options.idle_timeout(), where);
    }

    /// Returns the number of bytes that were written, in both directions together.
    [[nodiscard]] std::size_t count() const noexcept { return a_to_b_.written() + b_to_a_.written(); }

    friend auto awaited_objects(const copy_bidirectional_future& me) noexcept {
        return detail::concatenated(detail::object_of_copy(*me.a_), detail::object_of_copy(*me.b_));
    }

    static constexpr auto wait_shape() {
        return inspect::all_of(inspect::reader(&copy_bidirectional_future::a_),
                               inspect::reader(&copy_bidirectional_future::b_));
    }

private:
    friend typename copy_bidirectional_future::io_future;
    poll_result<output_type> advance(context& cx) {
        auto answer = poll_until_idle(cx);
        if (answer) {  // an error of one direction ends both
            a_to_b_.end();
            b_to_a_.end();
        }
        return answer;
    }
    poll_result<output_type> poll_until_idle(context& cx) {
        const std::size_t before = count();
        auto answer = poll_copies(cx);
        if (answer || !idle_) return answer;
        if (count() != before) idle_->touch(detail::idle_timer::read);
        if (!idle_->poll_late(cx, detail::idle_timer::read)) return not_ready;
        return output_type(std::unexpect, make_error_code(errc::timed_out));
    }
    poll_result<output_type> poll_copies(context& cx) {
        // Alternates the order: the direction that is polled first may use up the budget, and would starve the other
        // one.
        is_back_first_ = !is_back_first_;
        const auto first = is_back_first_ ? poll_back(cx) : poll_there(cx);
        if (first && !*first) return output_type(std::unexpect, first->error());
        const auto second = is_back_first_ ? poll_there(cx) : poll_back(cx);
        if (second && !*second) return output_type(std::unexpect, second->error());
        if (!first || !second) return not_ready;
        return output_type(std::in_place, a_to_b_.written(), b_to_a_.written());
    }

    poll_result<result<void>> poll_there(context& cx) { return a_to_b_.poll(cx, *a_, *b_); }
    poll_result<result<void>> poll_back(context& cx) { return b_to_a_.poll(cx, *b_, *a_); }

    A* a_;
    B* b_;
    detail::copy_direction a_to_b_;
    detail::copy_direction b_to_a_;
    std::optional<detail::idle_timer> idle_;
    bool is_back_first_ = true;  // the order of the last poll
};

/// Copies in both directions between two streams. When one stream ends, shuts the other one down for writing. The
/// opposite direction continues until it ends, too. Returns the number of bytes in each direction. A proxy:
///     auto server = co_await try_(net::tcp_stream::connect(where));
///     co_await try_(io::copy_bidirectional(client, server));
///
/// Errors: same as copy(). The first error in either direction ends both directions. Neither stream is shut down then;
/// their destructors close them.
/// Cancel safety: not safe. As with copy(), each direction loses the bytes that were read and not yet written.
/// Lifetime: the future borrows both streams.
/// Cost: two allocations, for the buffers.
template <class A, class B>
[[nodiscard]] auto copy_bidirectional(A&& a, B&& b, std::size_t a_to_b_size = default_copy_buffer,
                                      std::size_t b_to_a_size = default_copy_buffer,
                                      std::source_location where = std::source_location::current()) {
    constexpr bool fits = detail::check_borrowed<A>() && detail::check_borrowed<B>() && detail::check_reader<A>() &&
                          detail::check_reader<B>() && detail::check_writer<A>() && detail::check_writer<B>();
    return detail::make_if<fits, copy_bidirectional_future<std::remove_reference_t<A>, std::remove_reference_t<B>>>(
        a, b, a_to_b_size, b_to_a_size, where);
}

/// Same as above, with options:
///     co_await try_(io::copy_bidirectional(client, server, io::copy_options().idle_timeout(5min)));
/// Errors: also errc::timed_out, if no byte was copied for the idle timeout.
/// Cancel safety: not safe, as above.
template <class A, class B>
[[nodiscard]] auto copy_bidirectional(A&& a, B&& b, const copy_options& options,
                                      std::source_location where = std::source_location::current()) {
    constexpr bool fits = detail::check_borrowed<A>() && detail::check_borrowed<B>() && detail::check_reader<A>() &&
                          detail::check_reader<B>() && detail::check_writer<A>() && detail::check_writer<B>();
    return detail::make_if<fits, copy_bidirectional_future<std::remove_reference_t<A>, std::remove_reference_t<B>>>(
        a, b, options, where);
}

}  // namespace eddy::io
