// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <eddy/detail/ref_count.hpp>

#include "executor/pool/pool.hpp"
#include "explore/explore.hpp"

namespace explore {

/// Private members of a pool that a model constructs.
struct pool_members {
    eddy::detail::ref_count<>& references;
    eddy::detail::blocking_pool::share& blocking;
    std::vector<std::unique_ptr<eddy::detail::worker>>& workers;
};
[[nodiscard]] pool_members members_of(eddy::detail::pool& pool);

/// A pool without I/O, timers and tasks: its parts are the library's, but core_stand_ins.cpp replaces the functions of
/// the pool itself. Its threads are library_threads.
class small_pool {
    using pool = eddy::detail::pool;
    using worker = eddy::detail::worker;

public:
    /// At most one worker: more would watch each other, by the clock.
    explicit small_pool(bool has_worker) {
        ::new (&settings()) eddy::detail::pool_settings{};
        settings().has_lifo_slot = true;
        ::new (&members_of(get()).references) eddy::detail::ref_count<>();
        ::new (&get().shutdown()) eddy::detail::pool_shutdown(get());
        ::new (&get().idleness()) eddy::detail::pool_idleness(get().tasks(), get().shutdown());
        eddy::detail::worker_drivers drivers;
        drivers.each.resize(has_worker ? 1 : 0);
        ::new (&get().workers()) eddy::detail::worker_set(drivers);
        ::new (&get().threads()) eddy::detail::worker_threads(get(), 1);
        ::new (&members_of(get()).blocking) eddy::detail::blocking_pool::share(eddy::detail::blocking_pool::make({}));
        ::new (&get().tasks()) eddy::detail::pool_tasks(1, 1);
        if (has_worker)
            members_of(get()).workers.push_back(
                std::make_unique<worker>(get(), 0, nullptr, false, 1, eddy::detail::stall_settings()));
    }
    small_pool(const small_pool&) = delete;
    small_pool& operator=(const small_pool&) = delete;
    ~small_pool() {
        check(members_of(get()).references.count() == 1, "the threads have released their references");
        std::destroy_at(&get().tasks());
        std::destroy_at(&members_of(get()).blocking);
        std::destroy_at(&get().threads());
        std::destroy_at(&get().workers());
        std::destroy_at(&get().idleness());
        std::destroy_at(&get().shutdown());
        std::destroy_at(&members_of(get()).references);
        std::destroy_at(&settings());
    }

    // SAFETY: the models use nothing else of the pool, except functions that stand-ins replace, and its zeros.
    [[nodiscard]] pool& get() { return reinterpret_cast<pool&>(memory_); }
    [[nodiscard]] eddy::detail::pool_shutdown& shutdown() { return get().shutdown(); }
    [[nodiscard]] eddy::detail::pool_idleness& idleness() { return get().idleness(); }
    /// Makes the threads of workers call `named` when they begin. Call it before they are started.
    void name_threads(std::function<std::string()> named) { settings().name_thread = std::move(named); }
    [[nodiscard]] worker& only_worker() { return get().workers().at(0); }

private:
    // SAFETY: the memory is not constant, only the member.
    eddy::detail::pool_settings& settings() { return const_cast<eddy::detail::pool_settings&>(get().settings()); }

    alignas(pool) std::byte memory_[sizeof(pool)]{};
};

}  // namespace explore
