// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

namespace eddy::inspect {

/// What is left of a limit of a whole walk.
class budget {
public:
    explicit budget(std::size_t most) : left_(most) {}

    [[nodiscard]] std::size_t left() const noexcept { return left_; }
    /// Returns false if nothing is left.
    [[nodiscard]] bool spend() noexcept {
        if (left_ == 0) exceed();
        return !is_exceeded_ && left_-- != 0;
    }
    void spend(std::size_t count) noexcept { left_ -= std::min(left_, count); }
    void exceed() noexcept { is_exceeded_ = true; }
    /// Whether something was left out.
    [[nodiscard]] bool is_exceeded() const noexcept { return is_exceeded_; }

private:
    std::size_t left_;
    bool is_exceeded_ = false;
};

/// The limits of a whole walk. The limits of one list, stack or future are in the code that reads it; they multiply.
struct walk_budget {
    budget lists{16'384};
    budget tasks{4'194'304};
    budget parts{16'777'216};  // frames, branches, children of scopes, and 64 bytes of their texts
    budget broken{1024};       // lists that cannot be read
    budget rereads{262'144};   // of tasks that have changed
    budget places{32'768};
    budget texts{32'768};

    /// Texts are kept once, but written for each frame and branch.
    void spend_text(std::size_t bytes) noexcept { parts.spend(bytes / 64); }
};

}  // namespace eddy::inspect
