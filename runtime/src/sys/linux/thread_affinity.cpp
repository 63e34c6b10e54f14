// SPDX-License-Identifier: MIT
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <new>
#include <system_error>

#include "sys/affinity.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

constexpr std::size_t bits = sizeof(unsigned long) * CHAR_BIT;
constexpr unsigned most_processors = 1U << 20;  // more than any kernel is built for

/// A set of processors of any size: cpu_set_t has room for 1,024.
using mask = std::vector<unsigned long>;

cpu_set_t* as_set(mask& of) noexcept {
    // SAFETY: cpu_set_t is an array of these words (CPU_SET(3)), and the calls get the size.
    return reinterpret_cast<cpu_set_t*>(of.data());
}

bool has(const mask& all, unsigned one) noexcept {
    return one / bits < all.size() && (all[one / bits] >> one % bits & 1) != 0;
}

/// Errors: see sched_getaffinity(2).
result<mask> mask_of_this_thread() {
    for (mask all(1024 / bits);; all.resize(all.size() * 2)) {
        if (::sched_getaffinity(0, all.size() * sizeof all[0], as_set(all)) == 0) return all;
        // The kernel has more processors.
        if (errno != EINVAL || all.size() * bits >= most_processors) return std::unexpected(last_error());
    }
}

}  // namespace

result<std::vector<unsigned>> processors_of_this_thread() noexcept try {
    const auto all = mask_of_this_thread();
    if (!all) return std::unexpected(all.error());
    std::vector<unsigned> numbers;
    for (unsigned each = 0; each < all->size() * bits; ++each)
        if (has(*all, each)) numbers.push_back(each);
    return numbers;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> run_this_thread_on(std::span<const unsigned> processors) noexcept try {
    const auto invalid = std::unexpected(std::make_error_code(std::errc::invalid_argument));
    if (processors.empty()) return invalid;
    const unsigned last = *std::ranges::max_element(processors);
    if (last >= most_processors) return invalid;
    mask wanted(last / bits + 1);
    for (const unsigned each : processors) wanted[each / bits] |= 1UL << each % bits;
    auto before = mask_of_this_thread();
    if (!before) return std::unexpected(before.error());
    if (::sched_setaffinity(0, wanted.size() * sizeof wanted[0], as_set(wanted)) != 0) {
        return std::unexpected(last_error());
    }
    // The kernel leaves out processors that do not exist, or that the process's cpuset(7) does not have.
    const auto now = mask_of_this_thread();
    if (now && std::ranges::all_of(processors, [&](unsigned each) { return has(*now, each); })) return {};
    static_cast<void>(::sched_setaffinity(0, before->size() * sizeof(unsigned long), as_set(*before)));
    return invalid;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

}  // namespace eddy::sys
