// SPDX-License-Identifier: MIT
#include <algorithm>
#include <climits>
#include <new>
#include <system_error>

#include "sys/affinity.hpp"
#include "sys/socket_api.hpp"
#include "sys/syscall.hpp"

// A thread runs in one group of up to 64 processors, and the numbers count within its group.

namespace eddy::sys {
namespace {

constexpr unsigned most_processors = sizeof(DWORD_PTR) * CHAR_BIT;

}  // namespace

result<std::vector<unsigned>> processors_of_this_thread() noexcept try {
    DWORD_PTR all = 0;
    DWORD_PTR of_system = 0;
    if (::GetProcessAffinityMask(::GetCurrentProcess(), &all, &of_system) == 0) return std::unexpected(last_error());
    // The only function that returns the mask of the thread also sets it.
    const DWORD_PTR mine = ::SetThreadAffinityMask(::GetCurrentThread(), all);
    if (mine == 0) return std::unexpected(last_error());
    ::SetThreadAffinityMask(::GetCurrentThread(), mine);
    std::vector<unsigned> numbers;
    for (unsigned each = 0; each < most_processors; ++each)
        if ((mine >> each & 1) != 0) numbers.push_back(each);
    return numbers;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> run_this_thread_on(std::span<const unsigned> processors) noexcept {
    const auto is_too_large = [](unsigned each) { return each >= most_processors; };
    const auto invalid = std::unexpected(std::make_error_code(std::errc::invalid_argument));
    if (processors.empty() || std::ranges::any_of(processors, is_too_large)) return invalid;
    DWORD_PTR wanted = 0;
    for (const unsigned each : processors) wanted |= DWORD_PTR{1} << each;
    if (::SetThreadAffinityMask(::GetCurrentThread(), wanted) == 0) return invalid;
    return {};
}

}  // namespace eddy::sys
