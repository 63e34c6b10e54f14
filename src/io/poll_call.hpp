// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include <eddy/detail/io_socket.hpp>

#include "io/current_io.hpp"

// io_socket::poll_call() and try_call(): how every call on a descriptor is made, waited for, and told to the readiness
// word.

namespace eddy::detail {

inline bool would_block(const std::error_code& error) noexcept {
    return error.value() == EAGAIN && error.category() == std::generic_category();
}

[[nodiscard]] constexpr io::ready side_of(direction way) noexcept {
    return io::ready::mask_of(way == direction::read ? io::interest::readable : io::interest::writable);
}

/// How many bytes an operation has moved.
template <class T>
std::size_t moved_by(const result<T>&) noexcept {
    return 0;
}
inline std::size_t moved_by(const result<std::size_t>& count) noexcept { return count.value_or(0); }
inline std::size_t moved_by(const result<io::leased_buffer>& lease) noexcept { return lease ? lease->size() : 0; }

/// A large transfer takes as long as many small ones, and is charged as they would be: else a flood of 32 KiB reads
/// would copy hundreds of megabytes before the loop looks at its timers again.
inline void charge(context& cx, std::size_t bytes) noexcept {
    constexpr std::size_t bytes_per_unit = 4096;
    const auto units = std::min<std::size_t>(bytes / bytes_per_unit, cx.budget());
    cx.restore_budget(cx.budget() - static_cast<std::uint32_t>(units));
}

/// For what has become a stream in the middle of a poll (before, there was no memory for that): the next poll asks the
/// ring.
inline not_ready_t once_more(context& cx) noexcept {
    cx.waker().wake_by_ref();
    return not_ready;
}

/// Whether the event told of what cuts a read short and gives no further edge: a hang-up, an error or urgent data.
[[nodiscard]] constexpr bool may_cut_short(io::ready seen) noexcept {
    return !(seen - (io::ready::readable | io::ready::writable)).is_empty();
}

inline constexpr auto never_drained = [](const auto&, io::ready) { return false; };

/// What one direction may forget of `seen`, which was looked at before a call. A read that found nothing has passed the
/// urgent byte, too.
inline io::ready_event io_socket::part_of(direction way, const io::ready_event& seen) noexcept {
    const io::ready over = way == direction::read ? side_of(way) | io::ready::priority : side_of(way);
    return {seen.ready & over, seen.tick, seen.is_shutdown};
}

/// Calls until it does not say that it would block. Readiness is cleared only for the event that was looked at before
/// the call, by the answer "would block", or by `is_drained(answer)`: all was taken that there was.
template <class Call, class IsDrained>
auto io_socket::poll_call(direction way, context& cx, const void* future, const Call& call, const IsDrained& is_drained,
                          registers_as what) -> poll_result<decltype(call())> {
    using answer_type = decltype(call());
    for (;;) {
        // Each round, since what is closed stays ready: a call that would block all the same must not hold the thread.
        if (!cx.consume_budget()) return not_ready;
        io::ready_event seen;
        const bool can_wait = is_registered();
        if (can_wait) {
            seen = source_->look(io::ready::all);
            if (!seen.is_shutdown && !seen.ready.intersects(side_of(way))) {
                if (!source_->wait(way, cx, future)) {
                    cx.refund_budget();
                    return not_ready;
                }
                seen = source_->look(io::ready::all);
            }
            if (seen.is_shutdown) return answer_type(std::unexpect, make_error_code(errc::runtime_shutdown));
        } else if (way == direction::read && is_drained_) {
            // Who registers is told of what is there already; so no call is made that would only say "would block".
            // Where nothing can be registered, the call may succeed all the same.
            is_drained_ = false;
            if (has_current_io() && ensure_registered(cx, what)) {
                if (is_stream_) return once_more(cx);
                continue;
            }
        }
        answer_type answer = call();
        const bool blocked = !answer && would_block(answer.error());
        const bool drained = answer && is_drained(answer, seen.ready);
        if (can_wait && blocked) {
            if (auto told = forget(part_of(way, seen)); !told) return answer_type(std::unexpect, told.error());
        }
        if (can_wait && drained) source_->clear_readiness(part_of(way, seen));
        if (!can_wait && drained && way == direction::read) is_drained_ = true;
        if (!blocked) {
            if (!answer) check_not_empty(cx.where());
            charge(cx, moved_by(answer));
            return answer;
        }
        if (!can_wait) {
            if (auto registered = ensure_registered(cx, what); !registered) {
                return answer_type(std::unexpect, registered.error());
            }
            if (is_stream_) return once_more(cx);
        }
    }
}

/// The same once, without waiting.
template <class Call>
auto io_socket::try_call(direction way, const Call& call) -> decltype(call()) {
    if (!is_registered()) {
        check_not_empty({});
        return call();
    }
    const auto seen = source_->look(io::ready::all);
    if (seen.is_shutdown) return std::unexpected(make_error_code(errc::runtime_shutdown));
    auto answer = call();
    if (!answer && would_block(answer.error())) static_cast<void>(forget(part_of(way, seen)));
    return answer;
}

}  // namespace eddy::detail
