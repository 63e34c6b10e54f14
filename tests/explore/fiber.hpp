// SPDX-License-Identifier: MIT
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>

namespace explore::detail {

/// A stack to run a thread of a model on; the explorer itself runs on the program's own.
class fiber {
public:
    /// Stands for the stack that it is called on.
    fiber() noexcept = default;
    explicit fiber(std::size_t size);
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber();

    /// The next switch to it calls `entry`, which must not return. What it ran before is forgotten, not unwound.
    void prepare(void (*entry)()) noexcept;

    /// Goes on in `to`; returns when somebody switches back.
    void switch_to(fiber& to) noexcept;

    [[nodiscard]] bool holds(const void* address) const noexcept;

    /// From now on each fiber has its own value of the pointer that lies at `variable`, which is thread_local: null
    /// when it begins.
    static void separate(void* variable) noexcept;
    [[nodiscard]] static bool is_separate(const void* address) noexcept;

private:
    ucontext_t context_{};
    std::byte* stack_ = nullptr;
    std::size_t size_ = 0;
    // What the C++ library keeps per thread about exceptions in flight.
    struct {
        void* caught;
        unsigned uncaught;
    } exceptions_{};

    static constexpr std::size_t max_separate = 4;
    static constinit std::array<void*, max_separate> separated;
    std::array<void*, max_separate> own_{};  // values of the separated variables, while it does not run
};

}  // namespace explore::detail
