// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// The loop of read_exact(), write_all() and their variants. Calls `transfer(rest())`, which returns the number of
/// transferred bytes, and then `advance(count)`, until rest() is empty. Progress is recorded before the next transfer,
/// also if that throws.
/// Errors: any error of `transfer`; `at_zero` if it transfers no byte.
template <class Rest, class Transfer, class Advance>
poll_result<result<void>> poll_all(errc at_zero, const Rest& rest, const Transfer& transfer, const Advance& advance) {
    for (auto left = rest(); !left.empty(); left = rest()) {
        const poll_result<result<std::size_t>> count = transfer(left);
        if (!count) return not_ready;
        if (!*count) return result<void>(std::unexpect, count->error());
        if (**count == 0) return result<void>(std::unexpect, make_error_code(at_zero));
        advance(**count);
    }
    return ok();
}

/// Same as above. Removes the transferred bytes from the front of `left`.
template <class Byte, class Transfer>
poll_result<result<void>> poll_all(errc at_zero, std::span<Byte>& left, const Transfer& transfer) {
    return poll_all(at_zero, [&] { return left; }, transfer, [&](std::size_t count) { left = left.subspan(count); });
}

/// The base of the futures of eddy::io. `Self` provides `advance(context&)`, which polls the algorithm.
/// Errors: throws `misuse` if it is polled after it was ready.
/// Thread safety: one thread at a time.
/// Lifetime: borrows the reader or writer and the buffers. They must outlive it.
template <class Self, class Output>
class io_future : public future_ops<Self> {
public:
    using output_type = Output;

    poll_result<output_type> poll(context& cx) {
        if (has_ended_) throw_has_ended("an I/O operation", cx.where());
        // SAFETY: Self derives from io_future<Self, Output>, so *this is the base of a Self.
        auto& self = static_cast<Self&>(*this);
        self.begin_poll(cx);
        try {
            auto answer = self.advance(cx);
            has_ended_ = answer.is_ready();
            self.end_poll(has_ended_, cx);
            return answer;
        } catch (...) {
            self.end_poll(true, cx);
            throw;
        }
    }

protected:
    // Functions that a derived class with an operation_hold replaces.
    void begin_poll(const context&) const noexcept {}
    void end_poll(bool, const context&) const noexcept {}

private:
    bool has_ended_ = false;
};

/// The base of the futures that read from an `R`.
/// Errors: throws `misuse` if another operation of the reader is in flight, and the reader has an operation_guard.
template <class Self, class Output, class R>
class reading_future : public io_future<Self, Output> {
public:
    friend auto awaited_object(const reading_future& me) noexcept {
        return awaited_part_of<direction::read>(me.from());
    }

    static constexpr auto wait_shape() { return inspect::reads_from(&reading_future::from_); }

protected:
    explicit reading_future(R& from) noexcept : from_(&from) {}
    R& from() const noexcept { return *from_; }

    void begin_poll(const context& cx) { hold_.enter(guard_of<direction::read>(*from_), cx); }
    void end_poll(bool is_ready, const context& cx) noexcept { hold_.end_poll(is_ready, cx); }

private:
    R* from_;
    [[no_unique_address]] hold_of<direction::read, R> hold_;
};

/// The base of the futures that write to a `W`.
/// Errors: as reading_future.
template <class Self, class Output, class W>
class writing_future : public io_future<Self, Output> {
public:
    static constexpr bool writes_to_object = true;
    friend auto awaited_object(const writing_future& me) noexcept { return awaited_part_of<direction::write>(me.to()); }

    static constexpr auto wait_shape() { return inspect::writes_to(&writing_future::to_); }

protected:
    explicit writing_future(W& to) noexcept : to_(&to) {}
    W& to() const noexcept { return *to_; }

    void begin_poll(const context& cx) { hold_.enter(guard_of<direction::write>(*to_), cx); }
    void end_poll(bool is_ready, const context& cx) noexcept { hold_.end_poll(is_ready, cx); }

private:
    W* to_;
    [[no_unique_address]] hold_of<direction::write, W> hold_;
};

}  // namespace eddy::detail
