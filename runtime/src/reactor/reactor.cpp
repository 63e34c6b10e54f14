// SPDX-License-Identifier: MIT
#include <eddy/runtime/reactor.hpp>

#include <system_error>
#include <utility>

#include <eddy/error.hpp>

#include "reactor/choose.hpp"
#include "reactor/current_io.hpp"
#include "reactor/io_handle.hpp"

namespace eddy {

reactor_handle::reactor_handle(const reactor_handle& other) noexcept : io_(other.io_) {
    if (io_ != nullptr) io_->retain();
}

reactor_handle::~reactor_handle() {
    if (io_ != nullptr) io_->release();
}

result<reactor_handle> reactor_handle::current(std::source_location where) {
    auto io = detail::current_io(where);
    if (!io) return std::unexpected(io.error());
    (*io)->retain();
    return reactor_handle(*io);
}

result<void> reactor_handle::set_fallback(const reactor_handle& handle) noexcept {
    if (!detail::set_fallback_io(*handle.io_)) return std::unexpected(make_error_code(errc::fallback_is_set));
    return ok();
}

void reactor_handle::wake() const noexcept { io_->wake(); }

io_metrics reactor_handle::metrics() const noexcept { return io_->metrics(); }

reactor::reactor() : io_(nullptr) {
    auto made = make();
    if (!made) throw std::system_error(made.error(), "eddy::reactor");
    io_ = std::exchange(made->io_, nullptr);
}

result<reactor> reactor::make(driver_kind kind) noexcept {
    if (kind == driver_kind::io_uring) return std::unexpected(std::make_error_code(std::errc::not_supported));
    if (kind == driver_kind::automatic) kind = detail::readiness_driver_here();
    auto made = detail::io_handle::make(kind);
    if (!made) return std::unexpected(made.error());
    return reactor(*made);
}

reactor::~reactor() {
    if (io_ == nullptr) return;
    if (io_->holds_driver_lock()) {
        detail::fatal_misuse("a reactor was destroyed inside its own turn(), by a waker: wakers must only wake");
    }
    io_->shut_down();
    io_->release();
}

result<turn_info> reactor::turn(std::optional<std::chrono::nanoseconds> max_wait) {
    auto count = io_->tick(max_wait);
    if (!count) return std::unexpected(count.error());
    return turn_info(*count);
}

reactor_handle reactor::handle() const noexcept {
    io_->retain();
    return reactor_handle(io_);
}

bool reactor::is_idle() const noexcept { return io_->is_idle(); }
int reactor::native_handle() const noexcept { return io_->native_handle(); }
io_metrics reactor::metrics() const noexcept { return io_->metrics(); }

}  // namespace eddy
