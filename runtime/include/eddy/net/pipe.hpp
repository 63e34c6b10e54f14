// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/writing.hpp>
#include <eddy/result.hpp>

/// Pipes: unnamed ones, which pipe(2) makes, and FIFOs, which have a path in the file system.
namespace eddy::net::pipe {

class open_options;
struct ends;

/// The writing end of a pipe. Otherwise same as the writing direction of a stream.
///
/// A write to a pipe without readers fails with broken_pipe. SIGPIPE is not raised, whatever its disposition is. To
/// suppress it, each write makes two additional system calls, or three on a thread that blocks SIGPIPE.
///
/// The reader sees the end of the stream when no sender of the pipe is left, in any process. The destructor and
/// shutdown() end this one. After shutdown(), a write fails with broken_pipe, and native_handle() is a descriptor of a
/// pipe without readers.
/// Thread safety: one write at a time. Any number of tasks may wait for readiness.
/// Lifetime: the sender must outlive its futures, and must not move while one of them waits.
class EDDY_API sender : public writing<sender>,
                        public eddy::detail::any_call<sender>,
                        public eddy::detail::socket_owner {
public:
    /// Takes ownership of the writing end of a pipe or FIFO, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; errc::not_a_pipe; permission_denied if it is not
    /// open for writing; bad_file_descriptor.
    [[nodiscard]] static result<sender> from_native(int fd) noexcept;
    /// Waits until the sender is ready for `wanted`. Otherwise same as writable(). When no readers are left, the result
    /// contains `error` for every `wanted`.
    /// Errors: errc::runtime_shutdown.
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }

private:
    friend open_options;
    friend result<ends> make() noexcept;
    explicit sender(int fd) noexcept : socket_owner(fd, eddy::detail::descriptor_kind::pipe) {}
};

/// The reading end of a pipe. Otherwise same as the reading direction of a stream. The stream ends when no sender is
/// left.
///
/// On a FIFO, a read also returns 0 while no process has it open for writing. A later read may return bytes again.
/// readable() waits for the bytes of the first writer. After the last writer has closed the FIFO, readable() is ready
/// immediately, until another writer opens it. A server of successive writers therefore opens the FIFO with
/// read_write(true).
/// Thread safety: one read at a time. Any number of tasks may wait for readiness.
/// Lifetime: the receiver must outlive its futures, and must not move while one of them waits.
class EDDY_API receiver : public reading<receiver>,
                          public eddy::detail::any_call<receiver>,
                          public eddy::detail::socket_owner {
public:
    /// Takes ownership of the reading end of a pipe or FIFO, also on error.
    /// Errors: same as sender::from_native(), with permission_denied if it is not open for reading.
    [[nodiscard]] static result<receiver> from_native(int fd) noexcept;
    /// Waits until the receiver is ready for `wanted`. Otherwise same as readable().
    /// Errors: errc::runtime_shutdown.
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }

private:
    friend open_options;
    friend result<ends> make() noexcept;
    explicit receiver(int fd) noexcept : socket_owner(fd, eddy::detail::descriptor_kind::pipe) {}
};

/// The two ends of a pipe. Returned by make().
/// Thread safety: same as its parts.
struct ends {
    sender tx;    ///< the writing end
    receiver rx;  ///< the reading end

    /// Takes ownership of both ends.
    ends(sender&& writes, receiver&& reads) noexcept : tx(std::move(writes)), rx(std::move(reads)) {}
};

/// Makes an unnamed pipe: `auto [tx, rx] = pipe::make().value();`
/// Errors: too_many_files_open and the other errors of pipe(2).
[[nodiscard]] EDDY_API result<ends> make() noexcept;

/// Opens a FIFO: `pipe::open_options().read_write(true).open_receiver(path)`.
/// Opening does not wait for the other end, and does not block the thread.
/// Thread safety: a plain value.
class EDDY_API open_options {
public:
    /// Constructs options that are all off.
    open_options() noexcept = default;

    /// Opens the FIFO for reading and writing, which Linux allows. The end then opens without the other end. A receiver
    /// never sees the end of the stream, because it is a sender, too. Off by default.
    open_options& read_write(bool on) noexcept {
        read_write_ = on;
        return *this;
    }
    /// Skips the check that the file is a FIFO. Off by default.
    open_options& unchecked(bool on) noexcept {
        unchecked_ = on;
        return *this;
    }

    /// Opens the reading end.
    /// Errors: errc::not_a_pipe; errc::bad_path for a path that is empty or contains a NUL; no_such_file_or_directory
    /// and the other errors of open(2).
    [[nodiscard]] result<receiver> open_receiver(std::string_view path) const;
    /// Opens the writing end.
    /// Errors: same as open_receiver(); no_such_device_or_address if the FIFO has no readers: try again later.
    [[nodiscard]] result<sender> open_sender(std::string_view path) const;

private:
    [[nodiscard]] result<int> open(std::string_view path, int mode) const;

    bool read_write_ = false;
    bool unchecked_ = false;
};

/// Opens one end with default options.
/// Errors: any error of open_options.
[[nodiscard]] EDDY_API result<receiver> open_receiver(std::string_view path);
[[nodiscard]] EDDY_API result<sender> open_sender(std::string_view path);

}  // namespace eddy::net::pipe
