// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "inspect/target_memory.hpp"

namespace eddy::inspect {

/// Words that a walk has read, and that may change: those with the state and the position of a task, for example.
class checked_words {
public:
    explicit checked_words(cached_memory& memory) : memory_(memory) {}

    /// Returns a word, and remembers it.
    std::optional<std::uint64_t> read(address at) {
        const auto value = memory_.word(at);
        words_.push_back(at);
        values_.push_back(value);
        return value;
    }
    [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }
    void clear() noexcept {
        words_.clear();
        values_.clear();
    }

    /// Reads all words again. Then is_unchanged() returns whether those from `first` to `last` are as they were. So
    /// they belong to one moment, unless one has changed and changed back in between.
    void compare() { now_ = memory_.fresh(words_); }
    [[nodiscard]] bool is_unchanged(std::size_t first, std::size_t last) const {
        const auto at = [](const auto& all, std::size_t i) { return all.begin() + static_cast<std::ptrdiff_t>(i); };
        return std::equal(at(now_, first), at(now_, last), at(values_, first));
    }

private:
    cached_memory& memory_;
    std::vector<address> words_;
    std::vector<std::optional<std::uint64_t>> values_;
    std::vector<std::optional<std::uint64_t>> now_;
};

}  // namespace eddy::inspect
