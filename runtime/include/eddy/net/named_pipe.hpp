// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

// Named pipes, which exist on Windows only. This header is not part of eddy/net.hpp.

namespace eddy::detail {

class overlapped_pipe;

/// One end of a named pipe: the part that servers and clients have in common. A reader and a writer.
class EDDY_API named_pipe_end {
public:
    static constexpr const char* wakes_one_task = "an end of a named pipe";

    named_pipe_end(named_pipe_end&& other) noexcept;
    named_pipe_end& operator=(named_pipe_end&& other) noexcept;
    ~named_pipe_end();

    /// Implements async_read. The stream ends when the other end is closed.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    /// Reads what the pipe has now, and waits for no more. Otherwise same as poll_read().
    /// Errors: operation_would_block.
    poll_result<result<std::size_t>> poll_read_available(context& cx, std::span<std::byte> into);
    /// Implements async_write. Takes up to 64 KiB, and is ready while no earlier write is in progress. The error of a
    /// write that has ended later is returned by the next write or flush.
    /// Errors: broken_pipe if the other end is closed.
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    /// Waits until the other end has room for the bytes that were taken.
    poll_result<result<void>> poll_flush(context& cx);
    /// Same as poll_flush(). A named pipe cannot be closed in one direction, so a later write does not fail, and the
    /// other end does not see an end: destroy the object.
    poll_result<result<void>> poll_shutdown(context& cx) { return poll_flush(cx); }

protected:
    explicit named_pipe_end(std::shared_ptr<overlapped_pipe> pipe) noexcept;
    [[nodiscard]] overlapped_pipe& pipe(std::source_location where) const;

private:
    std::shared_ptr<overlapped_pipe> pipe_;
};

}  // namespace eddy::detail

/// Named pipes of Windows: connections between processes, by a name such as R"(\\.\pipe\example)". Bytes are read and
/// written by overlapped I/O, whose completions arrive on threads of the system. So an end works on each event loop and
/// runtime, and may move between them.
///
///     auto pipe = named_pipe::server_options().create(R"(\\.\pipe\example)").value();
///     co_await pipe.connect();                      // then read and write it
///     auto peer = named_pipe::client_options().open(R"(\\.\pipe\example)");
namespace eddy::net::named_pipe {

/// An instance of a pipe that a server has created. It serves one client at a time. Create the next instance before
/// this one is used. Then the name always has an instance that waits for a client. Read it with io::read() and the
/// other functions for readers, and write it with those for writers.
/// Errors: same as ReadFile() and WriteFile(); broken_pipe for a write after the client has closed its end. Using an
/// object that was moved from throws `misuse`.
/// Cancel safety: safe. The bytes of a cancelled read are returned by the next read. Bytes that a write has taken are
/// written, also after the object is destroyed.
/// Thread safety: one read and one write at a time, on one thread at a time.
/// Lifetime: the destructor closes this end.
/// Cost: one allocation for each object, and one for each direction that is used.
class EDDY_API server : public eddy::detail::named_pipe_end {
public:
    /// Waits until a client has connected. Ready immediately if one is connected already.
    /// Errors: same as ConnectNamedPipe(); broken_pipe if a client has connected and is gone: call disconnect().
    /// Cancel safety: safe. The next connect() continues to wait.
    task<result<void>> connect(std::source_location where = std::source_location::current());
    /// Same as connect(), as a poll function. Only the last task that polled is woken.
    poll_result<result<void>> poll_connect(context& cx);
    /// Disconnects the client, which loses bytes that it has not read. Then another client can connect.
    /// Errors: same as DisconnectNamedPipe(); operation_in_progress while a read or a write is in progress.
    result<void> disconnect(std::source_location where = std::source_location::current());

private:
    friend class server_options;
    explicit server(std::shared_ptr<eddy::detail::overlapped_pipe> pipe) noexcept : named_pipe_end(std::move(pipe)) {}
};

/// The end of a client. Otherwise same as server.
/// Errors, cancel safety, thread safety, lifetime, cost: same as server.
class EDDY_API client : public eddy::detail::named_pipe_end {
private:
    friend class client_options;
    explicit client(std::shared_ptr<eddy::detail::overlapped_pipe> pipe) noexcept : named_pipe_end(std::move(pipe)) {}
};

/// Options for a new instance of a pipe. Its data are bytes, not messages.
/// Thread safety: a plain value.
class EDDY_API server_options {
public:
    /// Constructs options for any number of instances, which clients of this computer may use.
    server_options() noexcept = default;

    /// Sets whether create() fails if the pipe exists already, because another process may have created it. Off by
    /// default.
    server_options& first_instance(bool on) noexcept {
        first_instance_ = on;
        return *this;
    }
    /// Sets the maximum number of instances that exist at the same time: 1 to 254. By default there is no maximum. All
    /// instances of a pipe have the maximum of the first one.
    server_options& max_instances(unsigned count) noexcept {
        max_instances_ = count;
        return *this;
    }
    /// Sets whether clients on other computers are refused. On by default.
    server_options& reject_remote_clients(bool on) noexcept {
        reject_remote_ = on;
        return *this;
    }
    /// Sets the size of the buffers of the system, in each direction. The default is 64 KiB.
    server_options& buffer_size(std::size_t bytes) noexcept {
        buffer_size_ = bytes;
        return *this;
    }

    /// Creates an instance.
    /// Errors: same as CreateNamedPipe(). errc::bad_path if the name is empty, contains a NUL or is not valid UTF-8.
    /// permission_denied if first_instance() is on and the pipe exists. resource_unavailable_try_again if there are
    /// max_instances() already. invalid_argument if max_instances() is out of range.
    [[nodiscard]] result<server> create(std::string_view name) const;

private:
    bool first_instance_ = false;
    bool reject_remote_ = true;
    std::optional<unsigned> max_instances_;
    std::size_t buffer_size_ = 65'536;
};

/// Options for a client. There are none yet.
/// Thread safety: a plain value.
class EDDY_API client_options {
public:
    /// Constructs the default options.
    client_options() noexcept = default;

    /// Opens the end of a client. Does not wait.
    /// Errors: no_such_file_or_directory if the pipe does not exist; resource_unavailable_try_again if all its
    /// instances have a client: try again later; errc::bad_path as for server_options; the errors of CreateFile().
    [[nodiscard]] result<client> open(std::string_view name) const;
};

}  // namespace eddy::net::named_pipe
