// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>

#include <eddy/result.hpp>

namespace eddy::detail {

class io_handle;
class uring;

/// The driver that an operation registers with which is polled on this thread: that of the loop that runs here; one of
/// the runtime whose worker this is, or that was entered, as its balance wants it; else the fall-back. Throws `misuse`
/// if there is none. Errors: io_disabled; runtime_shutdown if the fall-back is gone.
[[nodiscard]] result<io_handle*> current_io(std::source_location where = std::source_location::current());

/// Whether current_io() has a loop or a runtime here, with or without I/O, and will not throw.
[[nodiscard]] bool has_current_io() noexcept;

/// Whether what current_io() gives here takes connections whose bytes move through a ring.
[[nodiscard]] bool has_streams_here() noexcept;

/// The ring of the loop that runs on this thread, or of the worker that this is; null if there is none.
[[nodiscard]] uring* ring_here() noexcept;

/// Makes `io` the fall-back of the process, for good. False if there is one. Any thread.
[[nodiscard]] bool set_fallback_io(io_handle& io) noexcept;

}  // namespace eddy::detail
