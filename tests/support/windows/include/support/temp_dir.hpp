// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

// See tests/support/temp_dir.hpp. Windows has no mkdtemp(3).

namespace support {

class temp_dir {
public:
    temp_dir() {
        std::random_device source;
        path_ =
            std::filesystem::temp_directory_path() / ("eddy." + std::to_string(source()) + std::to_string(source()));
        std::filesystem::create_directory(path_);
    }
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;
    ~temp_dir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string operator/(std::string_view name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

}  // namespace support
