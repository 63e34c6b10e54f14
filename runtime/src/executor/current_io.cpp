// SPDX-License-Identifier: MIT
#include "reactor/current_io.hpp"

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/detail/executor.hpp>

#include "reactor/io_handle.hpp"
#include "reactor/ring/ring_reactor.hpp"

namespace eddy::detail {
namespace {

/// Null until set_fallback_io() sets it. Never changes afterwards. Has a reference until the process ends.
constinit atomic<io_handle*> fallback{nullptr};

}  // namespace

bool set_fallback_io(io_handle& io) noexcept {
    io.retain();
    io_handle* before = nullptr;
    // release: pairs with the acquire in current_io(). relaxed on failure: the present value is not used.
    if (fallback.compare_exchange_strong(before, &io, std::memory_order_release, std::memory_order_relaxed))
        return true;
    io.release();
    return false;
}

bool has_current_io() noexcept { return this_thread.executor.runs != nullptr; }

const io_handle* any_io() noexcept {
    const executor* const here = this_thread.executor.runs;
    return here != nullptr ? here->any_io() : nullptr;
}

uring* ring_here() noexcept {
    const executor* const here = this_thread.executor.runs;
    const io_handle* const io = here != nullptr ? here->io_here() : nullptr;
    return io == nullptr || io->ring() == nullptr ? nullptr : io->ring()->own_ring();
}

result<io_handle*> current_io(std::source_location where) {
    if (executor* const here = this_thread.executor.runs) {
        io_handle* const io = here->io_for_new_source();
        if (io == nullptr) return std::unexpected(make_error_code(errc::io_disabled));
        return io;
    }
    // acquire: pairs with the release in set_fallback_io(), so that the io_handle is seen fully constructed.
    if (io_handle* const io = fallback.load(std::memory_order_acquire)) {
        if (io->is_shut_down()) return std::unexpected(make_error_code(errc::runtime_shutdown));
        return io;
    }
    throw misuse(
        "I/O needs an event loop on this thread, or a runtime: await it inside eddy::run(), a runtime's task or "
        "core.run(); or enter a runtime (handle.enter()), or name a reactor for all other threads, by "
        "reactor_handle::set_fallback()",
        where);
}

}  // namespace eddy::detail
