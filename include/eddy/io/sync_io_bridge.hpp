// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/io_checks.hpp>
#include <eddy/io/lent.hpp>
#include <eddy/io/read.hpp>
#include <eddy/io/read_exact.hpp>
#include <eddy/io/read_to_end.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/io/seek.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/result.hpp>
#include <eddy/wait.hpp>

namespace eddy::io {

/// A reader or writer for code that blocks: each function waits on its thread until it is done.
///     auto sum = eddy::spawn_blocking([in = io::sync_io_bridge(std::move(stream))]() mutable { return checksum(in);
///     });
/// Errors: those of the object; throws `nested_runtime` on a thread that runs a loop: use it in spawn_blocking.
/// Thread safety: as a value. A socket needs a loop that another thread turns: a runtime's, in its spawn_blocking, or
/// the one that the socket has waited on before. A `core` has none for other threads: there see
/// reactor_handle::set_fallback(). Cost: as eddy::wait(); one allocation for each call.
template <class T>
class sync_io_bridge {
    using place = std::source_location;

public:
    explicit sync_io_bridge(T inner) : inner_(std::move(inner)) {}

    result<std::size_t> read(std::span<std::byte> into, place where = place::current()) {
        return eddy::wait(eddy::io::read(inner_, into), where);
    }
    result<void> read_exact(std::span<std::byte> into, place where = place::current()) {
        return eddy::wait(eddy::io::read_exact(inner_, into), where);
    }
    result<std::vector<std::byte>> read_to_end(place where = place::current()) {
        return eddy::wait(eddy::io::read_to_end(inner_), where);
    }
    result<std::string> read_to_string(place where = place::current()) {
        return eddy::wait(eddy::io::read_to_string(inner_), where);
    }
    /// With its end; appended to `into`. 0 at the end.
    result<std::size_t> read_line(std::string& into, std::size_t limit = no_limit, place where = place::current()) {
        return eddy::wait(eddy::io::read_line(inner_, into, limit), where);
    }
    result<std::size_t> write(std::span<const std::byte> from, place where = place::current()) {
        return eddy::wait(eddy::io::write(inner_, from), where);
    }
    result<void> write_all(std::span<const std::byte> from, place where = place::current()) {
        return eddy::wait(eddy::io::write_all(inner_, from), where);
    }
    result<void> write_all(std::string_view from, place where = place::current()) {
        return eddy::wait(eddy::io::write_all(inner_, from), where);
    }
    result<void> flush(place where = place::current()) { return eddy::wait(eddy::io::flush(inner_), where); }
    result<void> shutdown(place where = place::current()) { return eddy::wait(eddy::io::shutdown(inner_), where); }
    result<std::uint64_t> seek(seek_from to, place where = place::current()) {
        return eddy::wait(eddy::io::seek(inner_, to), where);
    }

    [[nodiscard]] T& inner() noexcept { return inner_; }
    [[nodiscard]] T into_inner() && { return std::move(inner_); }

private:
    T inner_;
};

template <class T>
sync_io_bridge(std::reference_wrapper<T>) -> sync_io_bridge<lent<T>>;

}  // namespace eddy::io
