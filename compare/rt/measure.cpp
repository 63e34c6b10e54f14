// SPDX-License-Identifier: MIT
#include "measure.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "protocol.hpp"

namespace bench {

nanoseconds cpu_time() noexcept {
    std::timespec time{};
    check(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0, "the clock of the processor time cannot be read");
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

long context_switches() noexcept {
    ::rusage usage{};
    check(::getrusage(RUSAGE_SELF, &usage) == 0, "getrusage failed");
    return usage.ru_nvcsw + usage.ru_nivcsw;
}

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    statm >> size >> resident;
    check(resident > 0, "/proc/self/statm could not be read");
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace bench
