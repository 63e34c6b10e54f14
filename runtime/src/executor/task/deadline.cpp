// SPDX-License-Identifier: MIT
#include <eddy/future/deadline.hpp>

namespace eddy {
namespace detail {

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

}  // namespace detail

std::optional<time::time_point> current_deadline() noexcept {
    const time::time_point found = detail::deadline_here();
    return found == detail::no_deadline ? std::nullopt : std::optional(found);
}

}  // namespace eddy
