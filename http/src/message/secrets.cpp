// SPDX-License-Identifier: MIT
#include <eddy/http/secrets.hpp>

#include <cstddef>

namespace eddy::http {

bool equal_secrets(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    unsigned different = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        different |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned>(static_cast<unsigned char>(b[i]));
    // volatile: the compiler must not end the loop at the first difference
    const volatile unsigned result = different;
    return result == 0;
}

}  // namespace eddy::http
