// SPDX-License-Identifier: MIT
#include <eddy/net/unix_listener.hpp>

#include "net/adopt.hpp"
#include "net/socket_options.hpp"
#include "net/unix_calls.hpp"
#include "sockets/accept.hpp"
#include "sockets/io_socket.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

result<unix_listener> unix_listener::bind_now(const unix_addr& at) noexcept {
    // The kernel would choose a name that clients cannot know.
    if (at.is_unnamed()) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    auto fd = sys::unix_stream_socket();
    if (!fd) return std::unexpected(fd.error());
    if (auto bound = sys::bind(fd->get(), sys::to_native(at)); !bound) return std::unexpected(bound.error());
    if (auto done = sys::listen(fd->get(), default_backlog); !done) return std::unexpected(done.error());
    return unix_listener(fd->release());
}

result<unix_listener> unix_listener::from_native(int fd) noexcept {
    auto owned = adopt_socket(fd, sys::socket_kind::unix_stream);
    if (!owned) return std::unexpected(owned.error());
    if (const auto listens = check_listens(fd); !listens) return std::unexpected(listens.error());
    return unix_listener(owned->release());
}

static_assert(listener<unix_listener>);

poll_result<result<unix_accepted>> unix_listener::poll_accept(context& cx) { return poll_accept(cx, nullptr); }

poll_result<result<unix_accepted>> unix_listener::poll_accept(context& cx, const detail::wait_record* future) {
    if (!pause_.poll(cx, future)) return not_ready;
    auto answer = socket_.poll_call(
        detail::direction::read, cx, future, [&] { return detail::accept_one(socket_.fd()); }, detail::never_drained);
    if (!answer) return not_ready;
    if (!*answer) {
        pause_.begin_if_exhausted(answer->error());
        return result<unix_accepted>(std::unexpect, answer->error());
    }
    sys::accepted_fd& accepted = **answer;
    return result<unix_accepted>(std::in_place, unix_stream(accepted.fd.release()), unix_sender(accepted.peer));
}

result<unix_addr> unix_listener::local_addr() const { return unix_local_addr(socket_.open_fd()); }
result<std::optional<std::error_code>> unix_listener::take_error() const { return sys::take_error(socket_.open_fd()); }

}  // namespace eddy::net
