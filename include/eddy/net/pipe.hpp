// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/writing.hpp>
#include <eddy/result.hpp>

/// Pipes: without a name, as pipe(2) makes them, and FIFOs, which a path in the file system stands for.
namespace eddy::net::pipe {

class open_options;
struct ends;

/// The end of a pipe that is written to. Otherwise as the writing side of a stream.
///
/// A write to a pipe that nobody reads from is broken_pipe; SIGPIPE is not raised, whatever the process does with it:
/// for that, each write has a cost of two system calls more, and of three on a thread that blocks SIGPIPE itself.
/// shutdown() does nothing: the reader sees the end when the last sender is destroyed.
class sender : public writing<sender>, public any_call<sender>, public socket_owner {
public:
    /// Adopts the writing end of a pipe, or of a FIFO. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; errc::not_a_pipe; permission_denied, if it is not
    /// open for writing; bad_file_descriptor.
    [[nodiscard]] static result<sender> from_native(int fd) noexcept;
    /// As writable(), for any interest: writable without being asked for is that nobody reads any more.
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }

private:
    friend open_options;
    friend result<ends> make() noexcept;
    explicit sender(int fd) noexcept : socket_owner(fd, eddy::detail::descriptor_kind::pipe) {}
};

/// The end of a pipe that is read from. Otherwise as the reading side of a stream; its end is when no sender is left.
/// Of a FIFO: a read while nobody has it open for writing gives 0, too, and a later one may give bytes again.
/// readable() waits for the first writer's bytes; when the last one has gone it is ready at once, until another one
/// comes: a server of many writers, one after the other, opens with read_write(true).
class receiver : public reading<receiver>, public any_call<receiver>, public socket_owner {
public:
    /// Adopts the reading end of a pipe, or of a FIFO. It is owned from here on, also if this fails.
    /// Errors: as sender::from_native().
    [[nodiscard]] static result<receiver> from_native(int fd) noexcept;
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }

private:
    friend open_options;
    friend result<ends> make() noexcept;
    explicit receiver(int fd) noexcept : socket_owner(fd, eddy::detail::descriptor_kind::pipe) {}
};

/// What make() gives.
struct ends {
    sender tx;
    receiver rx;

    ends(sender&& writes, receiver&& reads) noexcept : tx(std::move(writes)), rx(std::move(reads)) {}
};

/// A pipe without a name: `auto [tx, rx] = pipe::make().value();`
/// Errors: too_many_files_open, ..., as pipe(2).
[[nodiscard]] EDDY_API result<ends> make() noexcept;

/// How a FIFO is opened: `pipe::open_options().read_write(true).open_receiver(path)`.
/// Opening waits for nobody, and blocks no thread.
class open_options {
public:
    open_options() noexcept = default;

    /// For reading and writing at once, which Linux allows: so the end is open without the other side, and a receiver
    /// never sees the end of the stream, since it is a sender itself. Off by default.
    open_options& read_write(bool on) noexcept {
        read_write_ = on;
        return *this;
    }
    /// Does not look whether the file is a FIFO. Off by default.
    open_options& unchecked(bool on) noexcept {
        unchecked_ = on;
        return *this;
    }

    /// Errors: errc::not_a_pipe; errc::bad_path for a path that is empty or has a NUL in it; no_such_file_or_directory,
    /// ..., as open(2).
    [[nodiscard]] result<receiver> open_receiver(std::string_view path) const;
    /// The same; and no_such_device_or_address, if nobody has it open for reading: try again later.
    [[nodiscard]] result<sender> open_sender(std::string_view path) const;

private:
    [[nodiscard]] result<int> open(std::string_view path, int mode) const;

    bool read_write_ = false;
    bool unchecked_ = false;
};

/// open_options() with nothing changed.
[[nodiscard]] EDDY_API result<receiver> open_receiver(std::string_view path);
[[nodiscard]] EDDY_API result<sender> open_sender(std::string_view path);

}  // namespace eddy::net::pipe
