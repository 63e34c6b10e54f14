// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/runtime/executor_builder.hpp>

namespace eddy {
namespace detail {

/// Throws `misuse` if `processors` is empty, or if this process may not use one of them. `setter` is the function that
/// got them.
EDDY_API void check_processors(const std::vector<unsigned>& processors, const char* setter,
                               const std::source_location& where);

}  // namespace detail

/// What the builders of a runtime and of a core_thread have in common: the executor has threads of its own. Each
/// function returns the builder.
template <class Builder>
class thread_builder : public executor_builder<Builder> {
public:
    /// Sets the stack size of the executor's threads, in bytes: the event loop, workers and threads for blocking work.
    /// The default is 0: the default of the system.
    Builder& thread_stack_size(std::size_t bytes) noexcept {
        stack_size_ = bytes;
        return this->self();
    }
    /// Binds the event loop, or all workers, to these processors: the numbers of the system (in /proc/cpuinfo on
    /// Linux). Threads for blocking work, and those that eddy starts for itself, run where the thread that calls
    /// build() may run. Threads that the program starts inherit the processors on Linux and FreeBSD.
    /// `core_thread::builder().affinity({3}).spin_before_sleep(50us)` is an event loop with a processor for itself. The
    /// default is: no binding.
    /// Errors: throws `misuse` for no processor, and, with their numbers, for processors that do not exist or that this
    /// process may not use. build() returns errc::affinity_unsupported on other systems than Linux, FreeBSD and
    /// Windows.
    Builder& affinity(std::vector<unsigned> processors, std::source_location where = std::source_location::current()) {
        detail::check_processors(processors, "affinity()", where);
        processors_ = std::move(processors);
        is_one_each_ = false;
        return this->self();
    }
    /// Each of the following functions sets one callback; see the members of runtime_hooks.
    Builder& on_thread_start(std::function<void()> f) {
        this->hooks_.thread_start = std::move(f);
        return this->self();
    }
    Builder& on_thread_stop(std::function<void()> f) {
        this->hooks_.thread_stop = std::move(f);
        return this->self();
    }

protected:
    std::size_t stack_size_ = 0;
    std::vector<unsigned> processors_;  // empty: no binding
    bool is_one_each_ = false;          // a worker has one of the processors, and not all

private:
    friend Builder;  // the only class that may derive from it

    thread_builder() noexcept = default;
};

}  // namespace eddy
