// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>

#include <eddy/result.hpp>

namespace eddy::detail {

class io_handle;
class uring;

/// Returns the io_handle that registers the sources of operations polled on this thread:
///  1. the one of the event loop running on this thread, or
///  2. one of the runtime whose worker this is, or that was entered here, chosen to balance the load, or
///  3. the fallback reactor.
/// Throws `misuse` if there is none of these.
/// Errors: io_disabled; runtime_shutdown if the fallback reactor was shut down.
[[nodiscard]] result<io_handle*> current_io(std::source_location where = std::source_location::current());

/// Returns whether this thread has an event loop or a runtime, with or without I/O. Then current_io() does not throw.
[[nodiscard]] bool has_current_io() noexcept;

/// Returns an io_handle of this thread's event loop or runtime; null if there is none. All io_handles of a runtime have
/// the same kind of driver, and all have a ring or none has. (The fallback reactor never has one.)
[[nodiscard]] const io_handle* any_io() noexcept;

/// Returns the ring of this thread's event loop or worker; null if there is none.
[[nodiscard]] uring* ring_here() noexcept;

/// Makes `io` the fallback reactor of the process. It cannot be replaced later. Returns false if there already is
/// one. Callable on any thread.
[[nodiscard]] bool set_fallback_io(io_handle& io) noexcept;

}  // namespace eddy::detail
