// SPDX-License-Identifier: MIT
#include "sys/affinity.hpp"

#include <new>
#include <system_error>
#include <utility>

namespace eddy::sys {
namespace {

/// What processors_of_new_thread() copies, or null. No object of its own: it may be read while objects of the thread
/// are destroyed.
constinit thread_local const std::vector<unsigned>* before_binding = nullptr;

}  // namespace

thread_binding::thread_binding(std::span<const unsigned> processors) noexcept {
    if (processors.empty()) return;
    auto before = processors_of_this_thread();
    if (!before || !run_this_thread_on(processors)) return;
    before_ = std::move(*before);
    before_binding = &before_;
}

thread_binding::~thread_binding() {
    if (before_.empty()) return;
    before_binding = nullptr;
    static_cast<void>(run_this_thread_on(before_));
}

result<std::vector<unsigned>> thread_binding::processors_of_new_thread() noexcept try {
    return before_binding == nullptr ? std::vector<unsigned>() : *before_binding;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

}  // namespace eddy::sys
