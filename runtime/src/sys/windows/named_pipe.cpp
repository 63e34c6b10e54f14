// SPDX-License-Identifier: MIT
#include <eddy/net/named_pipe.hpp>

#include <algorithm>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/waker.hpp>

#include "sys/socket_api.hpp"
#include "sys/windows/utf16.hpp"
#include "sys/windows/winsock.hpp"

namespace eddy::detail {
namespace {

constexpr std::size_t largest_transfer = 65'536;

std::error_code pipe_error(DWORD error) noexcept {
    switch (error) {
    case ERROR_PIPE_NOT_CONNECTED: return std::make_error_code(std::errc::not_connected);
    case ERROR_PIPE_BUSY: return std::make_error_code(std::errc::resource_unavailable_try_again);
    case ERROR_INVALID_PARAMETER: return std::make_error_code(std::errc::invalid_argument);
    default: return sys::windows_error(error);
    }
}

/// Converts a name to UTF-16.
result<std::wstring> wide(std::string_view name) {
    if (!name.empty() && !name.contains('\0')) {
        if (auto made = sys::exactly_wide_of(name)) return made;
    }
    return std::unexpected(make_error_code(errc::bad_path));
}

}  // namespace

/// A handle of a named pipe, and its operations: one in each direction. Connecting is an operation of the reading
/// direction, because nothing can be read before.
///
///     idle --start()--> in flight --completion--> done --take()--> idle
///
/// An operation in flight keeps this object and its handle alive. So the bytes of a write are written after the end of
/// the pipe was destroyed, and the system never writes to freed memory.
class overlapped_pipe : public std::enable_shared_from_this<overlapped_pipe> {
public:
    explicit overlapped_pipe(HANDLE handle) noexcept : handle_(handle) {}
    overlapped_pipe(const overlapped_pipe&) = delete;
    overlapped_pipe& operator=(const overlapped_pipe&) = delete;
    ~overlapped_pipe() {
        ::CloseHandle(handle_);
        // No operation is in flight. The last callback may still run: the system frees the object afterwards.
        if (io_ != nullptr) ::CloseThreadpoolIo(io_);
    }

    /// Lets completions arrive on threads of the system.
    result<void> open() noexcept {
        io_ = ::CreateThreadpoolIo(handle_, &on_completion, nullptr, nullptr);
        if (io_ == nullptr) return std::unexpected(pipe_error(::GetLastError()));
        return ok();
    }

    /// Cancels a read or a connect, whose result is no longer used.
    void end() noexcept {
        waker reader;
        waker writer;
        const std::lock_guard guard(lock_);
        reader.swap(reading_.waiting);
        writer.swap(writing_.waiting);
        if (reading_.state == phase::in_flight) ::CancelIoEx(handle_, &reading_.overlapped);
    }

    poll_result<result<void>> poll_connect(context& cx) {
        return poll(cx, reading_, [this]() -> std::optional<result<void>> {
            if (reading_.state == phase::idle) start_connect();
            if (!reading_.connects) return ok();  // a read has begun, so a client was connected
            if (reading_.state != phase::done) return std::nullopt;
            return take(reading_);
        });
    }

    /// How long a read waits.
    enum class patience : unsigned char { until_there_are_bytes, none };

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into, patience waits) {
        if (into.empty()) return ok(std::size_t{0});
        return poll(cx, reading_, [&]() -> std::optional<result<std::size_t>> {
            for (;;) {
                if (reading_.state == phase::idle) start_read();
                if (reading_.state != phase::done) {
                    // A read of a pipe that has bytes ends with these, also if it is cancelled.
                    if (waits == patience::none) ::CancelIoEx(handle_, &reading_.overlapped);
                    return std::nullopt;
                }
                if (reading_.error == ERROR_OPERATION_ABORTED) {
                    reading_.state = phase::idle;
                    if (waits == patience::until_there_are_bytes) continue;
                    return std::unexpected(std::make_error_code(std::errc::operation_would_block));
                }
                if (reading_.error == ERROR_BROKEN_PIPE) {
                    reading_.state = phase::idle;
                    return 0;
                }
                if (reading_.error != 0) return std::unexpected(take(reading_).error());
                if (const std::size_t count = take_bytes(into); count != 0) return count;
                // A connect whose future was dropped, or a write of 0 bytes. Read.
                reading_.state = phase::idle;
            }
        });
    }

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        if (from.empty()) return ok(std::size_t{0});
        return poll(cx, writing_, [&]() -> std::optional<result<std::size_t>> {
            if (writing_.state == phase::in_flight) return std::nullopt;
            if (writing_.state == phase::done) {
                if (auto earlier = take(writing_); !earlier) return std::unexpected(earlier.error());
            }
            const std::size_t count = std::min(from.size(), largest_transfer);
            writing_.buffer.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
            start_write();
            if (writing_.state == phase::done) {
                if (auto failed = take(writing_); !failed) return std::unexpected(failed.error());
            }
            return count;
        });
    }

    poll_result<result<void>> poll_flush(context& cx) {
        return poll(cx, writing_, [this]() -> std::optional<result<void>> {
            if (writing_.state == phase::idle) return ok();
            if (writing_.state == phase::in_flight) return std::nullopt;
            return take(writing_);
        });
    }

    result<void> disconnect() noexcept {
        const std::lock_guard guard(lock_);
        if (reading_.state == phase::in_flight || writing_.state == phase::in_flight) {
            return std::unexpected(std::make_error_code(std::errc::operation_in_progress));
        }
        if (::DisconnectNamedPipe(handle_) == 0) return std::unexpected(pipe_error(::GetLastError()));
        reading_.state = phase::idle;
        reading_.connects = false;
        writing_.state = phase::idle;
        return ok();
    }

private:
    enum class phase : unsigned char { idle, in_flight, done };

    struct operation {
        OVERLAPPED overlapped{};
        phase state = phase::idle;
        bool connects = false;
        DWORD error = 0;
        std::size_t count = 0;
        std::size_t taken = 0;  // of the bytes of a read
        std::vector<std::byte> buffer;
        waker waiting;
        std::shared_ptr<overlapped_pipe> owner;  // while it is in flight
    };

    /// Calls `attempt` under the lock. If it returns nullopt, the task waits for the completion of the operation.
    template <class Attempt>
    auto poll(context& cx, operation& of, Attempt attempt) -> poll_result<typename decltype(attempt())::value_type> {
        if (!cx.consume_budget()) return not_ready;
        waker dropped = cx.waker();  // after the lock
        {
            const std::lock_guard guard(lock_);
            if (auto done = attempt()) return *std::move(done);
            dropped.swap(of.waiting);
        }
        cx.refund_budget();
        return not_ready;
    }

    /// Returns the result of an operation that is done.
    static result<void> take(operation& of) noexcept {
        of.state = phase::idle;
        if (of.error != 0) return std::unexpected(pipe_error(of.error));
        return ok();
    }

    /// Takes bytes that were read, if there are any.
    std::size_t take_bytes(std::span<std::byte> into) noexcept {
        if (reading_.connects) return 0;
        const auto left = std::span(reading_.buffer).first(reading_.count).subspan(reading_.taken);
        const std::size_t count = std::min(into.size(), left.size());
        std::copy_n(left.begin(), count, into.begin());
        reading_.taken += count;
        if (count == left.size()) reading_.state = phase::idle;
        return count;
    }

    void begin(operation& of, bool connects) {
        of.overlapped = {};
        of.connects = connects;
        of.error = 0;
        of.count = 0;
        of.taken = 0;
        of.owner = shared_from_this();
        of.state = phase::in_flight;
        ::StartThreadpoolIo(io_);
    }

    /// Ends an operation that has failed at once: no completion arrives for it.
    void fail(operation& of, DWORD error) noexcept {
        ::CancelThreadpoolIo(io_);
        of.owner.reset();
        of.error = error;
        of.state = phase::done;
    }

    void start_connect() {
        begin(reading_, true);
        if (::ConnectNamedPipe(handle_, &reading_.overlapped) != 0) return;
        const DWORD error = ::GetLastError();
        if (error == ERROR_IO_PENDING) return;
        fail(reading_, error == ERROR_PIPE_CONNECTED ? 0 : error);
    }

    void start_read() {
        reading_.buffer.resize(largest_transfer);
        begin(reading_, false);
        if (::ReadFile(handle_, reading_.buffer.data(), static_cast<DWORD>(largest_transfer), nullptr,
                       &reading_.overlapped) != 0) {
            return;  // the completion nevertheless arrives
        }
        if (const DWORD error = ::GetLastError(); error != ERROR_IO_PENDING) fail(reading_, error);
    }

    void start_write() {
        begin(writing_, false);
        if (::WriteFile(handle_, writing_.buffer.data(), static_cast<DWORD>(writing_.buffer.size()), nullptr,
                        &writing_.overlapped) != 0) {
            return;
        }
        if (const DWORD error = ::GetLastError(); error != ERROR_IO_PENDING) fail(writing_, error);
    }

    /// Runs on a thread of the system.
    static void CALLBACK on_completion(PTP_CALLBACK_INSTANCE, void*, void* overlapped, ULONG error, ULONG_PTR count,
                                       PTP_IO) {
        // SAFETY: the address points at the first member of an operation, whose owner lives until here.
        auto& done = *static_cast<operation*>(overlapped);
        const auto owner = std::move(done.owner);
        waker woken;
        {
            const std::lock_guard guard(owner->lock_);
            done.error = error == ERROR_MORE_DATA ? 0 : error;
            done.count = count;
            done.state = phase::done;
            woken.swap(done.waiting);
        }
        std::move(woken).wake();
    }

    const HANDLE handle_;
    PTP_IO io_ = nullptr;
    mutex lock_;  // guards the operations
    operation reading_;
    operation writing_;
};

named_pipe_end::named_pipe_end(std::shared_ptr<overlapped_pipe> pipe) noexcept : pipe_(std::move(pipe)) {}

named_pipe_end::named_pipe_end(named_pipe_end&& other) noexcept = default;

named_pipe_end& named_pipe_end::operator=(named_pipe_end&& other) noexcept {
    named_pipe_end(std::move(other)).pipe_.swap(pipe_);
    return *this;
}

named_pipe_end::~named_pipe_end() {
    check_not_awaited(this, "an end of a named pipe");
    if (pipe_) pipe_->end();
}

overlapped_pipe& named_pipe_end::pipe(std::source_location where) const {
    if (!pipe_) throw misuse("this end of a named pipe was moved from", where);
    return *pipe_;
}

poll_result<result<std::size_t>> named_pipe_end::poll_read(context& cx, std::span<std::byte> into) {
    return pipe(cx.where()).poll_read(cx, into, overlapped_pipe::patience::until_there_are_bytes);
}

poll_result<result<std::size_t>> named_pipe_end::poll_read_available(context& cx, std::span<std::byte> into) {
    return pipe(cx.where()).poll_read(cx, into, overlapped_pipe::patience::none);
}

poll_result<result<std::size_t>> named_pipe_end::poll_write(context& cx, std::span<const std::byte> from) {
    return pipe(cx.where()).poll_write(cx, from);
}

poll_result<result<void>> named_pipe_end::poll_flush(context& cx) { return pipe(cx.where()).poll_flush(cx); }

namespace {

/// Takes ownership of a handle, which may be invalid.
result<std::shared_ptr<overlapped_pipe>> own_pipe(HANDLE handle) {
    if (handle == INVALID_HANDLE_VALUE) return std::unexpected(pipe_error(::GetLastError()));
    std::shared_ptr<overlapped_pipe> made;
    try {
        made = std::make_shared<overlapped_pipe>(handle);
    } catch (const std::bad_alloc&) {
        ::CloseHandle(handle);
        throw;
    }
    if (auto opened = made->open(); !opened) return std::unexpected(opened.error());
    return made;
}

}  // namespace
}  // namespace eddy::detail

namespace eddy::net::named_pipe {

poll_result<result<void>> server::poll_connect(context& cx) { return pipe(cx.where()).poll_connect(cx); }

task<result<void>> server::connect(std::source_location where) {
    static_cast<void>(pipe(where));
    co_return co_await poll_fn([this](context& cx) { return poll_connect(cx); });
}

result<void> server::disconnect(std::source_location where) { return pipe(where).disconnect(); }

result<server> server_options::create(std::string_view name) const {
    const auto path = eddy::detail::wide(name);
    if (!path) return std::unexpected(path.error());
    if (max_instances_ && (*max_instances_ == 0 || *max_instances_ >= PIPE_UNLIMITED_INSTANCES)) {
        return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    }
    constexpr DWORD first = FILE_FLAG_FIRST_PIPE_INSTANCE;
    constexpr DWORD local = 8;  // PIPE_REJECT_REMOTE_CLIENTS, which the headers of MinGW lack
    const auto size = static_cast<DWORD>(std::min<std::size_t>(buffer_size_, 1U << 30U));
    auto made = eddy::detail::own_pipe(
        ::CreateNamedPipeW(path->c_str(), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | (first_instance_ ? first : 0),
                           PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | (reject_remote_ ? local : 0),
                           max_instances_ ? *max_instances_ : PIPE_UNLIMITED_INSTANCES, size, size, 0, nullptr));
    if (!made) return std::unexpected(made.error());
    return server(*std::move(made));
}

result<client> client_options::open(std::string_view name) const {
    const auto path = eddy::detail::wide(name);
    if (!path) return std::unexpected(path.error());
    // The server can identify this user, and cannot act for it.
    auto made = eddy::detail::own_pipe(
        ::CreateFileW(path->c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
                      FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, nullptr));
    if (!made) return std::unexpected(made.error());
    return client(*std::move(made));
}

}  // namespace eddy::net::named_pipe
