// SPDX-License-Identifier: MIT
#include <eddy/fs/file.hpp>

#include <array>
#include <chrono>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/time/backoff.hpp>
#include <eddy/time/sleep.hpp>

#include "job.hpp"
#include "open_file.hpp"
#include "opening.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/storage_calls.hpp"
#include "sys/syscall.hpp"

namespace eddy::fs {
namespace {

using detail::call;
using detail::open_file;

/// Makes an operation that calls `f` with an open file, on a thread for blocking work.
template <class F>
auto with_opened(const std::shared_ptr<open_file>& opened, const char* operation, F f) {
    using output = std::invoke_result_t<F&, open_file&>;
    auto work = [opened, f = std::move(f)](const call&) mutable -> output {
        const open_file::use guard(*opened);
        if (!guard) return output(std::unexpect, make_error_code(errc::closed));
        return f(*opened);
    };
    return detail::blocking(call(operation, opened->path()), std::move(work));
}

/// Same as above, when no other operation of the file is in flight.
template <class F>
auto on_file(detail::file_body* body, const char* operation, F f) {
    using output = std::invoke_result_t<F&, open_file&>;
    return file_operation<typename output::value_type>(body, with_opened(body->opened(), operation, std::move(f)));
}

/// The functions of the concepts report error codes.
template <class T>
poll_result<eddy::result<T>> without_path(const poll_result<result<T>>& from) {
    if (!from) return not_ready;
    return eddy::result<T>(*from);
}

}  // namespace

// ---- Locks ----

file_lock::file_lock(std::shared_ptr<detail::open_file> locked) noexcept : locked_(std::move(locked)) {}
file_lock::file_lock(file_lock&& other) noexcept = default;
file_lock& file_lock::operator=(file_lock other) noexcept {
    std::swap(locked_, other.locked_);
    return *this;
}
file_lock::~file_lock() {
    if (locked_ != nullptr) locked_->unlock();
}

namespace {

operation<std::optional<file_lock>> try_to_lock(const std::shared_ptr<open_file>& opened, lock_kind kind) {
    const bool is_exclusive = kind == lock_kind::exclusive;
    auto attempt = [shared = opened, is_exclusive](open_file& file) -> eddy::result<std::optional<file_lock>> {
        const auto locked = file.try_lock(is_exclusive);
        if (!locked) return std::unexpected(locked.error());
        std::optional<file_lock> lock;
        if (*locked) lock.emplace(shared);
        return lock;
    };
    return with_opened(opened, "lock", std::move(attempt));
}

/// A pause between two attempts to get a lock.
class lock_pause {
public:
    using output_type = void;

    lock_pause(time::duration pause, int fd) noexcept : sleep_(time::sleep(pause)), fd_(fd) {}
    poll_result<void> poll(context& cx) { return sleep_.poll(cx); }

    static constexpr auto wait_shape() {
        return inspect::awaits_member(inspect::wait::named_fd, &lock_pause::fd_, "a file lock");
    }

private:
    time::sleep_future sleep_;
    int fd_;  // for readers of the program's memory
};

/// Not a member of fs::file, which may be moved meanwhile.
task<result<file_lock>> wait_for_lock(std::shared_ptr<open_file> opened, lock_kind kind) {
    using namespace std::chrono_literals;
    time::backoff pauses(1ms);
    pauses.max_delay(100ms).max_retries(time::backoff::unlimited);
    for (;;) {
        auto lock = co_await try_(try_to_lock(opened, kind));
        if (lock) co_return *std::move(lock);
        const auto pause = pauses.next();
        co_await lock_pause(*pause, opened->fd());
    }
}

}  // namespace

file_operation<std::optional<file_lock>> file::try_lock(lock_kind kind) {
    return {nullptr, try_to_lock(body()->opened(), kind)};
}
task<result<file_lock>> file::lock(lock_kind kind) { return wait_for_lock(body()->opened(), kind); }

// ---- Open and close ----

file::file(std::unique_ptr<detail::file_body> body) noexcept : body_(std::move(body)) {}
file::file(file&& other) noexcept = default;
file& file::operator=(file&& other) noexcept = default;
file::~file() = default;

operation<file> open_options::open(std::filesystem::path path) const {
    auto work = [options = *this](const call& of) { return detail::open(of.path, options); };
    return detail::blocking(call("open", std::move(path)), std::move(work));
}

operation<file> file::open(std::filesystem::path path) { return open_options().read(true).open(std::move(path)); }
operation<file> file::create(std::filesystem::path path) {
    return open_options().write(true).create(true).truncate(true).open(std::move(path));
}
operation<file> file::create_new(std::filesystem::path path) {
    return open_options().read(true).write(true).create_new(true).open(std::move(path));
}

const std::filesystem::path& file::path() const { return body()->opened()->path(); }
int file::native_handle() const { return body()->opened()->fd(); }

file_operation<void> file::close() {
    auto work = [file = body()->opened()](const call&) { return file->close(); };
    return {body(), detail::blocking(call("close", path()), std::move(work)), detail::at_error::continues};
}

// ---- The stream ----

poll_result<eddy::result<std::size_t>> file::poll_read(context& cx, std::span<std::byte> into) {
    return without_path(body()->poll_read(cx, {&into, 1}));
}
poll_result<eddy::result<std::size_t>> file::poll_read_vectored(context& cx,
                                                                std::span<const std::span<std::byte>> into) {
    return without_path(body()->poll_read(cx, into));
}
poll_result<eddy::result<std::size_t>> file::poll_write(context& cx, std::span<const std::byte> from) {
    return without_path(body()->poll_write(cx, {&from, 1}, nullptr));
}
poll_result<eddy::result<std::size_t>> file::poll_write_vectored(context& cx,
                                                                 std::span<const std::span<const std::byte>> from) {
    return without_path(body()->poll_write(cx, from, nullptr));
}
poll_result<eddy::result<void>> file::poll_flush(context& cx) { return without_path(body()->poll_idle(cx)); }
poll_result<eddy::result<void>> file::poll_shutdown(context& cx) { return without_path(body()->poll_idle(cx)); }
eddy::result<void> file::start_seek(io::seek_from to) { return body()->start_seek(to); }
poll_result<eddy::result<std::uint64_t>> file::poll_seek_complete(context& cx) {
    return without_path(body()->poll_seek_complete(cx));
}

// ---- A write at an offset ----

namespace {

poll_result<result<std::size_t>> count_of(const poll_result<result<detail::writing::done>>& output) {
    if (!output) return not_ready;
    if (!*output) return result<std::size_t>(std::unexpect, output->error());
    return result<std::size_t>((*output)->count);
}

}  // namespace

poll_result<result<std::size_t>> file_write_at::poll_with(context& cx, const detail::file_body& to) {
    using count_result = result<std::size_t>;
    if (!writing_.has_started()) {
        if (to.opened()->appends())
            return count_result(std::unexpect, to.fail(make_error_code(errc::append_only), "write"));
        if (offset_ > detail::last_offset)
            return count_result(std::unexpect, to.fail(std::make_error_code(std::errc::invalid_argument), "write"));
        if (eddy::detail::size_of_all(from_.parts()) == 0) return count_result(0);
        return count_of(writing_.start(cx, to.opened(), from_.parts(), offset_));
    }
    return count_of(writing_.poll(cx));
}

// ---- The whole file ----

namespace {

/// Not a member of fs::file, which may be moved meanwhile.
task<result<file>> clone_of(detail::file_body* body, std::source_location where) {
    // A dropped write may still move the position.
    eddy::detail::operation_hold hold;
    co_await try_(poll_fn([&hold, body, where](context& cx) {
        hold.enter(&body->guard(), cx, where);
        auto idle = body->poll_idle(cx);
        hold.end_poll(idle.is_ready(), cx);
        return idle;
    }));
    auto clone = [at = body->position()](open_file& from) -> eddy::result<file> {
        auto fd = eddy::sys::duplicate(from.fd());
        if (!fd) return std::unexpected(fd.error());
        return detail::own_file(*std::move(fd), from.path(), from.options(), at, from.locks());
    };
    co_return co_await with_opened(body->opened(), "clone", std::move(clone));
}

}  // namespace

file_operation<std::uint64_t> file::size() {
    return on_file(body(), "stat", [](open_file& opened) { return eddy::sys::size_of(opened.fd()); });
}
file_operation<void> file::truncate(std::uint64_t size) {
    return on_file(body(), "truncate", [size](open_file& opened) { return eddy::sys::truncate(opened.fd(), size); });
}
file_operation<void> file::allocate(std::uint64_t offset, std::uint64_t size) {
    return on_file(body(), "allocate",
                   [=](open_file& opened) { return eddy::sys::allocate(opened.fd(), offset, size); });
}
file_operation<void> file::advise(access_pattern pattern, std::uint64_t offset, std::uint64_t size) {
    return on_file(body(), "advise",
                   [=](open_file& opened) { return eddy::sys::advise(opened.fd(), pattern, offset, size); });
}
file_operation<void> file::sync_data() {
    return on_file(body(), "sync", [](open_file& opened) { return eddy::sys::sync_data(opened.fd()); });
}
file_operation<void> file::sync_all() {
    return on_file(body(), "sync", [](open_file& opened) { return eddy::sys::sync_all(opened.fd()); });
}
file_operation<file_metadata> file::metadata() {
    return on_file(body(), "stat", [](open_file& opened) { return eddy::sys::metadata_of(opened.fd()); });
}
file_operation<void> file::set_permissions(std::filesystem::perms permissions) {
    return on_file(body(), "chmod",
                   [=](open_file& opened) { return eddy::sys::set_permissions(opened.fd(), permissions); });
}
file_operation<void> file::set_owner(std::optional<std::uint32_t> user, std::optional<std::uint32_t> group) {
    return on_file(body(), "chown", [=](open_file& opened) {
        return eddy::sys::set_owner(opened.fd(), user.value_or(eddy::sys::same_owner),
                                    group.value_or(eddy::sys::same_owner));
    });
}
file_operation<void> file::set_times(std::optional<file_time> accessed, std::optional<file_time> modified) {
    return on_file(body(), "set the times of",
                   [=](open_file& opened) { return eddy::sys::set_times(opened.fd(), accessed, modified); });
}
task<result<file>> file::try_clone(std::source_location where) { return clone_of(body(where), where); }

}  // namespace eddy::fs
