// SPDX-License-Identifier: MIT
#include <eddy/future/detail/unread_failure.hpp>

namespace eddy::detail {

unread_failure describe(const std::error_code& code, std::string&& text) {
    unread_failure described;
    if (is_runtime_shutdown(code)) return described;
    described.error = new unread_error;
    described.error->code = code;
    described.error->message = std::move(text);
    return described;
}

void unread_failure::destroy_error(unread_error* error) noexcept { delete error; }

}  // namespace eddy::detail
