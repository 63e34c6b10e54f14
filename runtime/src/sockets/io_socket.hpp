// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/detail/by_parts.hpp>
#include <eddy/net/detail/io_socket.hpp>

#include "reactor/current_io.hpp"
#include "reactor/io_handle.hpp"
#include "reactor/source/scheduled_io.hpp"
#include "sockets/socket_transport.hpp"

// The inline functions of a socket. poll_call() and try_call() make a call on a descriptor, wait until it is possible,
// and update the readiness word.

namespace eddy::detail {

/// Returns the transport of a socket that is, or would be, registered with `io`.
[[nodiscard]] inline const socket_transport& transport_of(const io_handle& io, descriptor_kind kind) noexcept {
    const bool is_tcp = kind == descriptor_kind::tcp || kind == descriptor_kind::listener;
    return is_tcp && io.ring() != nullptr ? by_ring : by_system_calls;
}

inline const socket_transport& socket_registration::transport() const noexcept {
    return is_registered() ? transport_of(*io_, kind_) : by_system_calls;
}

inline void socket_registration::register_first(const context& cx) {
    if (is_registered()) return;
    // relaxed: `bound` was stored by this thread, or before this thread got the socket.
    const io_handle* const io = state_.load(std::memory_order_relaxed) == state::bound ? io_ : any_io();
    if (io != nullptr && transport_of(*io, kind_).registers_first()) static_cast<void>(ensure_registered(cx));
}

inline bool would_block(const std::error_code& error) noexcept {
    return error.value() == EWOULDBLOCK && error.category() == std::generic_category();
}

/// Returns how many bytes an operation has moved.
template <class T>
std::size_t moved_by(const result<T>&) noexcept {
    return 0;
}
inline std::size_t moved_by(const result<std::size_t>& count) noexcept { return count.value_or(0); }
inline std::size_t moved_by(const result<io::leased_buffer>& lease) noexcept { return lease ? lease->size() : 0; }

/// A large transfer costs as much of the coop budget as many small ones.
inline constexpr std::size_t bytes_of_unit = 4096;

inline constexpr auto never_drained = [](const auto&, io::ready) { return false; };

/// Returns the part of `seen` that an operation in one direction may clear. `seen` was loaded before the call. A
/// read that found nothing has also passed the urgent byte.
inline io::ready_event part_of(direction way, const io::ready_event& seen) noexcept {
    const io::ready over = way == direction::read ? side_of(way) | io::ready::priority : side_of(way);
    return {seen.ready & over, seen.tick, seen.is_shutdown};
}

/// Makes the call until its result is not "would block". Clears only readiness that was seen before the call, and only
/// if the result is "would block", or `is_drained(result)` says that the call has taken everything.
template <class Call, class IsDrained>
[[gnu::always_inline]] inline auto io_socket::poll_call(direction way, context& cx, const wait_record* future,
                                                        const Call& call, const IsDrained& is_drained)
    -> poll_result<decltype(call())> {
    using answer_type = decltype(call());
    for (;;) {
        // Budget is consumed in each iteration: a closed socket stays ready, and if the call would block nevertheless,
        // this loop must not occupy the thread.
        if (!cx.consume_budget()) return not_ready;
        io::ready_event seen;
        const bool can_wait = is_registered();
        if (can_wait) {
            seen = source_->look(io::ready::all);
            if (!seen.is_shutdown && !seen.ready.intersects(side_of(way))) {
                io_->check_may_wait(cx);
                if (!source_->wait(way, cx, future)) {
                    cx.refund_budget();
                    return not_ready;
                }
                seen = source_->look(io::ready::all);
            }
            if (seen.is_shutdown) return answer_type(std::unexpect, make_error_code(errc::runtime_shutdown));
        } else if (way == direction::read && is_drained_) {
            // A registration reports a condition that already holds. So register first, and skip a call that would only
            // block. If no registration is possible, the call may still succeed.
            is_drained_ = false;
            if (has_current_io() && ensure_registered(cx)) continue;
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
            charge(cx, moved_by(answer), bytes_of_unit);
            return by_parts(answer, [](auto&&... parts) {
                return poll_result<answer_type>(std::in_place, std::forward<decltype(parts)>(parts)...);
            });
        }
        if (!can_wait) {
            if (auto registered = ensure_registered(cx); !registered) {
                return answer_type(std::unexpect, registered.error());
            }
        }
    }
}

/// Makes the call once, without waiting.
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
