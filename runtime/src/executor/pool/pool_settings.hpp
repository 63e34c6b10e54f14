// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include <eddy/runtime/runtime.hpp>

#include "executor/task/observer.hpp"

namespace eddy::detail {

/// What the builder of a runtime has set.
struct pool_settings {
    std::unique_ptr<const observer> observes;  // null if there are no hooks and no measurements
    std::function<void(std::exception_ptr, const std::source_location&)> on_uncaught;
    unobserved_error_handler on_unobserved_error;
    leak_handler on_leaks;
    bool shuts_down_on_uncaught;
    unsigned global_interval;
    unsigned event_interval;
    bool has_lifo_slot;
    std::string thread_name;
    std::function<std::string()> name_thread;  // null: thread_name and the worker's number
    std::size_t stack_size;
    std::vector<unsigned> processors;  // empty: workers are not bound
    bool has_one_processor_each;

    /// Returns null if there are no hooks.
    [[nodiscard]] const runtime_hooks* hooks() const noexcept {
        return observes == nullptr ? nullptr : &observes->hooks;
    }
    /// Returns the processors of a worker.
    [[nodiscard]] std::span<const unsigned> processors_of(unsigned worker) const noexcept {
        const std::span all(processors);
        return has_one_processor_each ? all.subspan(worker % all.size(), 1) : all;
    }
};

}  // namespace eddy::detail
