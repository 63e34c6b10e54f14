// SPDX-License-Identifier: MIT
#include "io/current_io.hpp"

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/core_shared.hpp>
#include <eddy/error.hpp>

#include "core/core_shared.hpp"
#include "io/io_handle.hpp"

namespace eddy::detail {
namespace {

/// Null until it is set, and never changed after; holds a reference to the end of the process.
constinit atomic<io_handle*> fallback{nullptr};

}  // namespace

bool set_fallback_io(io_handle& io) noexcept {
    io.retain();
    io_handle* before = nullptr;
    // release: pairs with the acquire in current_io(). relaxed on failure: what is there is not looked at.
    if (fallback.compare_exchange_strong(before, &io, std::memory_order_release, std::memory_order_relaxed))
        return true;
    io.release();
    return false;
}

result<io_handle*> current_io(std::source_location where) {
    if (core_shared* const loop = current_loop()) {
        if (loop->io() == nullptr) return std::unexpected(make_error_code(errc::io_disabled));
        return loop->io();
    }
    // acquire: pairs with the release in set_fallback_io(); the driver is seen as it was made.
    if (io_handle* const io = fallback.load(std::memory_order_acquire)) {
        if (io->is_shut_down()) return std::unexpected(make_error_code(errc::runtime_shutdown));
        return io;
    }
    throw misuse(
        "I/O needs an event loop on this thread: await it inside core.run() or eddy::run(), or inside work that was "
        "spawned there; or name a reactor for all threads without a loop, by reactor_handle::set_fallback()",
        where);
}

}  // namespace eddy::detail
