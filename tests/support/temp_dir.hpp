// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace support {

/// A temporary folder. The destructor removes it with its contents.
class temp_dir {
public:
    explicit temp_dir(const std::filesystem::path& in = testing::TempDir()) : path_(in / "eddy.XXXXXX") {
        if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot create a temporary folder");
    }
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;
    ~temp_dir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    std::string path_;
};

}  // namespace support
