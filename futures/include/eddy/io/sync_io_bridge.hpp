// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <eddy/io/borrowed.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/read.hpp>
#include <eddy/io/read_exact.hpp>
#include <eddy/io/read_to_end.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/io/seek.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/wait.hpp>

namespace eddy::io {

/// A blocking interface to a reader or writer: each function blocks its thread until the operation is complete.
///     auto sum = eddy::spawn_blocking(
///         [in = io::sync_io_bridge(std::move(stream))]() mutable { return checksum(in); });
/// A socket needs an event loop on another thread: a worker of the runtime whose spawn_blocking() runs this code, or
/// the event loop that the socket is registered with. A `core` does not serve sockets of other threads: see
/// reactor_handle::set_fallback().
/// Errors: any error of the object. Throws `nested_runtime` on a thread that runs an event loop: use spawn_blocking()
/// there.
/// Cost: same as eddy::wait(), with one allocation for each call.
template <class T>
class sync_io_bridge {
    using place = std::source_location;

public:
    /// Takes ownership of `inner`.
    explicit sync_io_bridge(T inner) : inner_(std::move(inner)) {}

    /// Performs the operation of the same name in eddy::io and returns its result.
    result<std::size_t> read(mutable_buffer into, place where = place::current()) {
        return eddy::wait(eddy::io::read(inner_, into.bytes()), where);
    }
    result<void> read_exact(mutable_buffer into, place where = place::current()) {
        return eddy::wait(eddy::io::read_exact(inner_, into.bytes()), where);
    }
    result<std::vector<std::byte>> read_to_end(place where = place::current()) {
        return eddy::wait(eddy::io::read_to_end(inner_), where);
    }
    result<std::string> read_to_string(place where = place::current()) {
        return eddy::wait(eddy::io::read_to_string(inner_), where);
    }
    /// Appends a line with its line end to `into`. Returns the number of bytes, which is 0 at end of stream. Otherwise
    /// same as io::read_line().
    result<std::size_t> read_line(std::string& into, std::size_t limit = no_limit, place where = place::current()) {
        return eddy::wait(eddy::io::read_line(inner_, into, limit), where);
    }
    /// Performs the operation of the same name in eddy::io and returns its result.
    result<std::size_t> write(const_buffer from, place where = place::current()) {
        return eddy::wait(eddy::io::write(inner_, from.bytes()), where);
    }
    result<void> write_all(const_buffer from, place where = place::current()) {
        return eddy::wait(eddy::io::write_all(inner_, from.bytes()), where);
    }
    result<void> flush(place where = place::current()) { return eddy::wait(eddy::io::flush(inner_), where); }
    result<void> shutdown(place where = place::current()) { return eddy::wait(eddy::io::shutdown(inner_), where); }
    result<std::uint64_t> seek(seek_from to, place where = place::current()) {
        return eddy::wait(eddy::io::seek(inner_, to), where);
    }

    /// Returns the object.
    [[nodiscard]] T& inner() noexcept { return inner_; }
    /// Moves the object out.
    [[nodiscard]] T into_inner() && { return std::move(inner_); }

private:
    T inner_;
};

/// Deduces the type of the object. A std::ref is stored as a `borrowed`.
template <class T>
sync_io_bridge(std::reference_wrapper<T>) -> sync_io_bridge<borrowed<T>>;

}  // namespace eddy::io
