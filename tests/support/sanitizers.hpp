// SPDX-License-Identifier: MIT
#pragma once

namespace support {

/// Whether AddressSanitizer or ThreadSanitizer is on, with Clang or GCC.
inline constexpr bool is_sanitized =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    true;
#else
    false;
#endif
#else
    false;
#endif

}  // namespace support
