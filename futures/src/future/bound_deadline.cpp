// SPDX-License-Identifier: MIT
#include <eddy/future/detail/bound_deadline.hpp>

namespace eddy::detail {

const void* deadline_key() noexcept {
    static const char key = 0;
    return &key;
}

std::chrono::steady_clock::time_point deadline_here() noexcept {
    // SAFETY: only bound_deadline binds this key, and always to its own time_point member, which outlives the binding.
    const auto* const found =
        static_cast<const std::chrono::steady_clock::time_point*>(find_task_local(deadline_key()));
    return found == nullptr ? no_deadline : *found;
}

}  // namespace eddy::detail
