// SPDX-License-Identifier: MIT
#include "sys/own_memory.hpp"

#include "sys/socket_api.hpp"

namespace eddy::sys {

bool copy_own_memory(const void* from, std::span<std::byte> into) noexcept {
    SIZE_T copied = 0;
    return ::ReadProcessMemory(::GetCurrentProcess(), from, into.data(), into.size(), &copied) != 0 &&
           copied == into.size();
}

}  // namespace eddy::sys
