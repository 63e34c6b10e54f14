// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inspect/target_memory.hpp"
#include "sys/mappings.hpp"

namespace eddy::inspect {

/// A core file. What the kernel did not write into it, since it is in the program's file, is read from there.
class core_file {
public:
    /// `program` replaces the file of the program if it is not empty: for a core file of another machine.
    /// Errors: a sentence: the file cannot be read, is no core file, or has no program headers.
    [[nodiscard]] static std::expected<core_file, std::string> open(const std::string& file,
                                                                    const std::string& program);

    core_file(core_file&&) noexcept;
    ~core_file();

    [[nodiscard]] target_memory& memory() noexcept;
    [[nodiscard]] const std::vector<mapping>& mappings() const noexcept { return mappings_; }
    /// As of a process: a file does not end.
    [[nodiscard]] static std::optional<std::string> why_incomplete() { return std::nullopt; }
    /// Returns sentences: the file was cut off, or the program's file is missing, has changed, or was not compared.
    [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }

private:
    class contents;

    core_file();

    std::unique_ptr<contents> contents_;
    std::vector<mapping> mappings_;
    std::vector<std::string> problems_;
};

}  // namespace eddy::inspect
