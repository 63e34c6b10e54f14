// SPDX-License-Identifier: MIT
#include "io/current_io.hpp"

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/core_loop.hpp>
#include <eddy/error.hpp>

#include "core/core_shared.hpp"
#include "io/io_handle.hpp"
#include "runtime/current_executor.hpp"
#include "runtime/pool.hpp"
#include "runtime/worker.hpp"
#include "runtime/worker_here.hpp"

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

bool has_current_io() noexcept { return executor_here.core != nullptr || executor_here.pool != nullptr; }

bool has_streams_here() noexcept {
    const executor here = executor_here;
    // The fallback reactor is not considered: it always uses epoll. It serves threads without an event loop, and a
    // ring belongs to one thread.
    const io_handle* const io = here.core != nullptr   ? here.core->io()
                                : here.pool != nullptr ? here.pool->any_io()
                                                       : nullptr;
    return io != nullptr && io->has_streams();
}

uring* ring_here() noexcept {
    const io_handle* const io = executor_here.core != nullptr ? executor_here.core->io()
                                : worker_here != nullptr      ? worker_here->io()
                                                              : nullptr;
    return io == nullptr ? nullptr : io->own_ring();
}

result<io_handle*> current_io(std::source_location where) {
    const executor here = executor_here;
    if (here.core != nullptr || here.pool != nullptr) {
        io_handle* const io = here.core != nullptr ? here.core->io() : here.pool->io_for_new_source();
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
