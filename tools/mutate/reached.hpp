// SPDX-License-Identifier: MIT
// Included by the main function of the tests. After each test, writes a line into the file EDDY_FAULT_LOG: the name of the test,
// its milliseconds, and the numbers of the faults whose places it came to.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "eddy_fault.hpp"

namespace eddy_fault {

class reached_listener : public testing::EmptyTestEventListener {
    void OnTestEnd(const testing::TestInfo& test) override {
        unsigned char* const bytes = the.reached.load();
        if (bytes == nullptr) return;
        std::string line = std::string(test.test_suite_name()) + "." + test.name() + "\t" +
                           std::to_string(test.result()->elapsed_time()) + "\t";
        for (std::size_t number = 1; number < the.places; ++number)
            if (bytes[number] != 0) line += std::to_string(number) + " ";
        std::memset(bytes, 0, the.places);
        line += "\n";
        const auto fd = ::syscall(SYS_openat, AT_FDCWD, std::getenv("EDDY_FAULT_LOG"), O_WRONLY | O_APPEND | O_CLOEXEC, 0);
        [[maybe_unused]] const auto written = ::syscall(SYS_write, fd, line.data(), line.size());
        ::syscall(SYS_close, fd);
    }
};

inline const bool listens = [] {
    if (std::getenv("EDDY_FAULT_LOG") != nullptr)
        testing::UnitTest::GetInstance()->listeners().Append(new reached_listener);
    return true;
}();

}  // namespace eddy_fault
