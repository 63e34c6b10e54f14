// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include <eddy/detail/export.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {
class composite_io;
}  // namespace eddy::detail

namespace eddy::io {

class registration;

/// Identifies a registration. Events of the descriptors that a source adds with it are reported to that registration.
/// Thread safety: a plain value.
class token {
public:
    friend bool operator==(const token&, const token&) noexcept = default;

private:
    friend class registration;
    friend class registry;
    explicit token(detail::composite_io& source) noexcept : source_(&source) {}

    detail::composite_io* source_;
};

/// Adds descriptors to the driver of a reactor. A registration passes it to the functions of an event_source. It has
/// the functions of sys::registry, so a source that takes both as templates also works with sys::poll.
/// Thread safety: any thread.
/// Lifetime: valid during the call that it was passed to.
class EDDY_API registry {
public:
    /// Adds `fd`, whose events are reported to the registration of `name`, starting with its present readiness.
    /// Errors: already_registered if the reactor has the descriptor; regular_file for a regular file or a directory,
    /// which is always ready; blocking_descriptor if O_NONBLOCK is not set; bad_file_descriptor if it is not open;
    /// invalid_argument if `name` belongs to another registration; not_enough_memory; runtime_shutdown. After an error,
    /// `fd` is not added.
    /// Lifetime: call remove() before `fd` is closed. The end of the registration removes what is left.
    [[nodiscard]] result<void> add(int fd, token name, interest wanted) const noexcept;
    /// Replaces the interest of `fd`, and reports its present readiness again.
    /// Errors: no_such_file_or_directory if `fd` was not added; invalid_argument if `name` belongs to another
    /// registration; runtime_shutdown.
    [[nodiscard]] result<void> modify(int fd, token name, interest wanted) const noexcept;
    /// Removes `fd`.
    /// Errors: no_such_file_or_directory if `fd` was not added; bad_file_descriptor if it was closed before: it is
    /// removed nevertheless.
    result<void> remove(int fd) const noexcept;

private:
    friend class registration;
    explicit registry(detail::composite_io& source) noexcept : source_(&source) {}

    detail::composite_io* source_;
};

/// An object that registers itself: its descriptor is hidden, or it has several, for example one for each direction.
/// Each function adds, changes or removes all of its descriptors, and returns the first error. deregister() must not
/// throw, because destructors call it.
///
///     struct two_pipes {
///         eddy::result<void> register_with(const io::registry& with, io::token name, io::interest wanted);
///         eddy::result<void> reregister(const io::registry& with, io::token name, io::interest wanted);
///         eddy::result<void> deregister(const io::registry& with);
///     };
///
/// Readiness belongs to the whole source: an event does not say from which descriptor it came. So after a wake-up, try
/// all of them, and clear the readiness only after each one has returned operation_would_block. Use
/// registration::clear_blocked(), as poll_evented does: clear_readiness() keeps the hang-up of one descriptor, which
/// says nothing about the others.
template <class S>
concept event_source = requires(S& source, const registry& with, token name, interest wanted) {
    { source.register_with(with, name, wanted) } -> std::same_as<result<void>>;
    { source.reregister(with, name, wanted) } -> std::same_as<result<void>>;
    { source.deregister(with) } -> std::same_as<result<void>>;
};

}  // namespace eddy::io
