// SPDX-License-Identifier: MIT
#if defined(__FreeBSD__)
#include <sys/param.h>

#include <sys/cpuset.h>
#endif

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include <eddy/error.hpp>

#include "sys/affinity.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

#if defined(__FreeBSD__)

result<std::vector<unsigned>> processors_of_this_thread() noexcept try {
    cpuset_t all;
    CPU_ZERO(&all);
    if (::cpuset_getaffinity(CPU_LEVEL_WHICH, CPU_WHICH_TID, -1, sizeof all, &all) != 0) {
        return std::unexpected(last_error());
    }
    std::vector<unsigned> numbers;
    for (unsigned each = 0; each < CPU_SETSIZE; ++each)
        if (CPU_ISSET(each, &all)) numbers.push_back(each);
    return numbers;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> run_this_thread_on(std::span<const unsigned> processors) noexcept {
    const auto is_too_large = [](unsigned each) { return each >= CPU_SETSIZE; };
    if (processors.empty() || std::ranges::any_of(processors, is_too_large)) {
        return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    }
    cpuset_t wanted;
    CPU_ZERO(&wanted);
    for (const unsigned each : processors) CPU_SET(each, &wanted);
    if (::cpuset_setaffinity(CPU_LEVEL_WHICH, CPU_WHICH_TID, -1, sizeof wanted, &wanted) == 0) return {};
    // EDEADLK: none of them is in the set of the process.
    return std::unexpected(errno == EDEADLK ? std::make_error_code(std::errc::invalid_argument) : last_error());
}

#else

// macOS has hints, which it ignores on Apple's processors. OpenBSD has nothing. NetBSD lets only root bind threads.

result<std::vector<unsigned>> processors_of_this_thread() noexcept {
    return std::unexpected(make_error_code(errc::affinity_unsupported));
}

result<void> run_this_thread_on(std::span<const unsigned>) noexcept {
    return std::unexpected(make_error_code(errc::affinity_unsupported));
}

#endif

}  // namespace eddy::sys
