// SPDX-License-Identifier: MIT
#include <eddy/io/detail/splicing.hpp>

#include <cstddef>
#include <system_error>

#include <eddy/io/async_fd.hpp>

#include "sockets/io_socket.hpp"
#include "sys/splice.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

/// The capacity of a pipe, unless the program has changed it.
constexpr std::size_t most_at_once = 64 * 1024;

/// Errors: operation_would_block if the socket is not ready.
result<void> check_ready(const io_socket& socket, io::interest wanted) noexcept {
    const auto now = ready_now(socket.fd(), wanted);
    if (!now) return std::unexpected(now.error());
    if (!now->intersects(io::ready::mask_of(wanted)))
        return std::unexpected(std::make_error_code(std::errc::operation_would_block));
    return ok();
}

/// Returns whether the stream has ended after a splice(2) that moved no bytes. In front of an urgent byte of TCP, which
/// it does not pass, splice(2) may also return 0.
bool is_at_end(const io_socket& from) noexcept {
    if (from.kind() != descriptor_kind::tcp) return true;
    std::byte next{};
    const auto count = sys::peek(from.fd(), {&next, 1});
    return count && *count == 0;
}

/// Splices once. A call that would block does not say for which of the two. Returns operation_would_block if that is
/// `from`, and sets `is_full` if it is `to`.
result<std::size_t> splice_once(const io_socket& from, const io_socket& to, bool& is_full) noexcept {
    // The second attempt: `to` may have become ready after the first one.
    for (int attempt = 0; attempt != 2; ++attempt) {
        auto count = sys::splice(from.fd(), to.fd(), most_at_once);
        if (count && *count == 0 && !is_at_end(from)) break;
        if (count || !would_block(count.error())) return count;
        const auto room = check_ready(to, io::interest::writable);
        is_full = !room && would_block(room.error());
        if (is_full) return 0;
        if (const auto bytes = check_ready(from, io::interest::readable); !bytes) return std::unexpected(bytes.error());
    }
    // At an urgent byte, or both are ready nevertheless.
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
}

}  // namespace

bool can_splice(const context& cx, io_socket& from, io_socket& to) {
    from.check_not_empty(cx.where());
    to.check_not_empty(cx.where());
    const auto one_is = [&](descriptor_kind kind) { return from.kind() == kind || to.kind() == kind; };
    // Not a terminal: its end is an error of splice(2).
    return one_is(descriptor_kind::pipe) && !one_is(descriptor_kind::terminal) && from.uses_system_calls(cx) &&
           to.uses_system_calls(cx);
}

poll_result<result<std::size_t>> poll_splice(context& cx, io_socket& from, io_socket& to, bool& waits_for_writer) {
    for (;;) {
        bool is_full = false;
        auto count =
            from.poll_call(direction::read, cx, nullptr, [&] { return splice_once(from, to, is_full); }, never_drained);
        waits_for_writer = is_full;
        if (!is_full) return count;
        const auto room = to.poll_call(
            direction::write, cx, nullptr, [&] { return check_ready(to, io::interest::writable); }, never_drained);
        if (!room) return not_ready;
        if (!*room) return result<std::size_t>(std::unexpect, room->error());
    }
}

}  // namespace eddy::detail
