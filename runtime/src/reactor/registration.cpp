// SPDX-License-Identifier: MIT
#include <eddy/io/registration.hpp>

#include <eddy/error.hpp>
#include <eddy/io/async_fd.hpp>

#include "reactor/current_io.hpp"
#include "reactor/drivers/composite_io.hpp"
#include "reactor/io_handle.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {

void throw_not_registered(const char* what, const std::error_code& reason, const std::source_location& where) {
    std::string text = std::string(what) + " at " + where.file_name() + ':' + std::to_string(where.line());
    if (reason == std::errc::bad_file_descriptor)
        text += ", with a descriptor that is not open: open it first, and close it after the object is destroyed";
    throw std::system_error(reason, text);
}

}  // namespace eddy::detail

namespace eddy::io {
namespace {

poll_result<result<ready_event>> as_result(const poll_result<ready_event>& seen) {
    if (!seen) return not_ready;
    if (seen->is_shutdown) return result<ready_event>(std::unexpect, make_error_code(errc::runtime_shutdown));
    return result<ready_event>(*seen);
}

/// epoll_ctl(2) refuses regular files and directories, which are always ready.
std::error_code explain(std::error_code refused) noexcept {
    if (refused == std::errc::operation_not_permitted) return make_error_code(errc::regular_file);
    if (refused == std::errc::file_exists) return make_error_code(errc::already_registered);
    return refused;
}

result<void> check_nonblocking(int fd) noexcept {
    const auto nonblocking = sys::is_nonblocking(fd);
    if (!nonblocking) return std::unexpected(nonblocking.error());
    if (*nonblocking) return ok();
    return std::unexpected(make_error_code(sys::is_file(fd) ? errc::regular_file : errc::blocking_descriptor));
}

}  // namespace

// ---- registry ----

result<void> registry::add(int fd, token name, interest wanted) const noexcept {
    if (name.source_ != source_) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    if (auto checked = check_nonblocking(fd); !checked) return checked;
    const auto added = source_->add(fd, wanted);
    if (!added) return std::unexpected(explain(added.error()));
    return ok();
}

result<void> registry::modify(int fd, token name, interest wanted) const noexcept {
    if (name.source_ != source_) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return source_->change(fd, wanted);
}

result<void> registry::remove(int fd) const noexcept { return source_->remove(fd); }

// ---- readiness_future ----

readiness_future::readiness_future(const detail::io_handle& io, detail::scheduled_io& source, interest wanted) noexcept
    : io_(&io), source_(&source), waiter_(wanted, source.fd()) {
    source.retain();
}

readiness_future::readiness_future(readiness_future&& other) noexcept
    : io_(other.io_), source_(std::exchange(other.source_, nullptr)), waiter_(other.waiter_.wanted, other.waiter_.fd) {
    if (other.record_.has_waited()) {
        detail::fatal_moved("a wait for the readiness of a descriptor", other.record_.polled_at());
    }
}

readiness_future::~readiness_future() {
    if (source_ == nullptr) return;
    if (record_.has_waited()) source_->unlink(waiter_);
    source_->release();
}

poll_result<result<ready_event>> readiness_future::poll(context& cx) {
    if (!cx.consume_budget()) return not_ready;
    auto seen = source_->look(ready::mask_of(waiter_.wanted));
    if (!seen.ready.is_empty() || seen.is_shutdown) return as_result(seen);
    io_->check_may_wait(cx);
    record_.wait(cx);
    auto answer = source_->poll_waiter(waiter_, cx);
    if (!answer) cx.refund_budget();
    return as_result(answer);
}

// ---- registration ----

result<registration> registration::attach_to_current(int fd, interest wanted, std::source_location where) {
    const auto io = detail::current_io(where);
    if (!io) return std::unexpected(io.error());
    if (const auto checked = check_nonblocking(fd); !checked) return std::unexpected(checked.error());
    (*io)->retain();
    return attach_nonblocking(fd, wanted, **io);
}

result<registration> registration::attach_to(int fd, interest wanted, const reactor_handle& with) {
    if (const auto checked = check_nonblocking(fd); !checked) return std::unexpected(checked.error());
    detail::io_handle& io = *detail::reactor_access::get(with);
    io.retain();
    return attach_nonblocking(fd, wanted, io);
}

result<registration> registration::attach_nonblocking(int fd, interest wanted, detail::io_handle& io) noexcept {
    const auto source = io.add_source(fd, wanted);
    if (!source) {
        io.release();
        return std::unexpected(explain(source.error()));
    }
    return registration(io, **source, fd);
}

result<registration> registration::begin_at_current(std::source_location where) {
    const auto io = detail::current_io(where);
    if (!io) return std::unexpected(io.error());
    return begin(**io);
}

result<registration> registration::begin_at(const reactor_handle& with) {
    return begin(*detail::reactor_access::get(with));
}

result<registration> registration::begin(detail::io_handle& io) noexcept {
    const auto source = detail::composite_io::make(io);
    if (!source) return std::unexpected(source.error());
    io.retain();
    return registration(io, **source, -1);
}

registration::parts registration::parts_of(std::source_location where) const {
    auto& of = detail::composite_io::of(source(where));
    return {registry(of), token(of)};
}

result<void> registration::change_interest(int fd, interest wanted, std::source_location where) const {
    auto& of = source(where);
    if (fd != fd_)
        throw misuse("registration::reregister() was called with another source than the registered one", where);
    return io_->watch_again(of, wanted);
}

poll_result<result<ready_event>> registration::poll_read_ready(context& cx) const {
    return poll_ready(detail::direction::read, cx);
}

poll_result<result<ready_event>> registration::poll_write_ready(context& cx) const {
    return poll_ready(detail::direction::write, cx);
}

poll_result<result<ready_event>> registration::poll_ready(detail::direction way, context& cx) const {
    const auto seen = source(cx.where()).poll_ready(way, cx, nullptr);
    if (!seen) io_->check_may_wait(cx);
    return as_result(seen);
}

detail::scheduled_io& registration::source(std::source_location where) const {
    if (source_ == nullptr) [[unlikely]] {
        throw misuse(
            "a registration was used after it was deregistered, or after it was moved from: attach() makes a new one",
            where);
    }
    return *source_;
}

ready_event registration::look(interest wanted, std::source_location where) const {
    return source(where).look(ready::mask_of(wanted));
}

void registration::clear_readiness(const ready_event& seen, std::source_location where) const {
    source(where).clear_readiness(seen);
}

void registration::clear_blocked(const ready_event& seen, std::source_location where) const {
    source(where).clear_blocked(seen);
}

result<void> registration::deregister() noexcept {
    if (source_ == nullptr) return ok();
    auto& source = *std::exchange(source_, nullptr);
    auto removed = fd_ < 0 ? detail::composite_io::of(source).deregister() : io_->remove_source(source);
    std::exchange(io_, nullptr)->release();
    return removed;
}

}  // namespace eddy::io
