// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#if defined(_WIN32)
#include <eddy/net/named_pipe.hpp>
#else
#include <eddy/net/pipe.hpp>
#endif

namespace eddy::process {

/// This program's ends of the pipes to a process: a writer, and a reader. On Windows they are ends of named pipes,
/// which have fewer functions. The functions of eddy::io work on all systems: `io::read(*child.out(), buffer)`. But
/// there, io::shutdown() does not end the input of the process: destroy the object.
#if defined(_WIN32)
using pipe_sender = net::named_pipe::server;
using pipe_receiver = net::named_pipe::server;
#else
using pipe_sender = net::pipe::sender;
using pipe_receiver = net::pipe::receiver;
#endif

namespace detail {
/// The pipe of a child object: the name of its function, and the program. Empty in an object of another origin.
struct pipe_name {
    const char* function = nullptr;
    std::shared_ptr<const std::string> program;
};
/// Throws `misuse`: a child has no pipe.
[[noreturn, gnu::cold]] EDDY_API void throw_no_pipe(const pipe_name& name);
}  // namespace detail

/// An end of a pipe that a child object may have. Same as a std::optional, but access to a pipe that it does not have
/// is not undefined: it throws `misuse`.
/// Thread safety: same as the pipe.
template <class Pipe>
class optional_pipe : public std::optional<Pipe> {
public:
    /// Has the constructors and assignments of std::optional.
    using std::optional<Pipe>::optional;
    using std::optional<Pipe>::operator=;
    optional_pipe() noexcept = default;
    optional_pipe(std::optional<Pipe>&& from) noexcept : std::optional<Pipe>(std::move(from)) {}
    /// For the library: the pipe of a child object.
    optional_pipe(std::optional<Pipe>&& from, detail::pipe_name name) noexcept
        : std::optional<Pipe>(std::move(from)), name_(std::move(name)) {}

    /// Returns the pipe.
    /// Errors: throws `misuse`, with the program and the name of the pipe, if there is none.
    [[nodiscard]] Pipe& operator*() & { return checked(); }
    [[nodiscard]] Pipe&& operator*() && { return std::move(checked()); }
    [[nodiscard]] Pipe* operator->() { return std::addressof(checked()); }

private:
    Pipe& checked() {
        std::optional<Pipe>& self = *this;
        if (!self) detail::throw_no_pipe(name_);
        return *self;
    }

    detail::pipe_name name_;
};

}  // namespace eddy::process
