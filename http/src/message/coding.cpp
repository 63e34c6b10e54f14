// SPDX-License-Identifier: MIT
#include "message/coding.hpp"

#include <algorithm>
#include <string>

#include <eddy/http/headers.hpp>

namespace eddy::detail {

bool body_coding::is_named(std::string_view text) const noexcept {
    return http::equal_names(text, name) || (!former_name.empty() && http::equal_names(text, former_name));
}

const body_coding* find_coding(std::string_view name) noexcept {
    const auto* const found = std::ranges::find_if(
        body_codings, [&](const body_coding* each) { return each->is_available() && each->is_named(name); });
    return found == body_codings.end() ? nullptr : *found;
}

std::string_view available_codings() {
    static const std::string names = [] {
        std::string list;
        for (const auto* each : body_codings)
            if (each->is_available()) list.append(list.empty() ? "" : ", ").append(each->name);
        return list;
    }();
    return names;
}

}  // namespace eddy::detail
