// SPDX-License-Identifier: MIT
#include <eddy/net/serve.hpp>

#include "io/accept.hpp"

namespace eddy::detail {

bool may_accept_later(const std::error_code& error) noexcept {
    return error.category() == std::generic_category() && is_exhausted(error);
}

}  // namespace eddy::detail
