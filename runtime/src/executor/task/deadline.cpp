// SPDX-License-Identifier: MIT
#include <eddy/future/deadline.hpp>

namespace eddy {
std::optional<time::time_point> current_deadline() noexcept {
    const time::time_point found = detail::deadline_here();
    return found == detail::no_deadline ? std::nullopt : std::optional(found);
}

}  // namespace eddy
