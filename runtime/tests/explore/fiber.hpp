// SPDX-License-Identifier: MIT
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>

namespace explore::detail {

/// A stack for a thread of a model. The explorer itself runs on the program's stack.
class fiber {
public:
    /// Represents the stack that switch_to() is called on.
    fiber() noexcept = default;
    explicit fiber(std::size_t size);
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber();

    /// The next switch to this fiber calls `entry`, which must not return. The previous contents of the stack are
    /// discarded without unwinding.
    void prepare(void (*entry)()) noexcept;

    /// Continues in `to`. Returns when another fiber switches back.
    void switch_to(fiber& to) noexcept;

    [[nodiscard]] bool holds(const void* address) const noexcept;

    /// Gives each fiber its own value of the thread_local pointer at `variable`, from now on. The value is null when a
    /// fiber starts.
    static void separate(void* variable) noexcept;
    [[nodiscard]] static bool is_separate(const void* address) noexcept;

private:
    ucontext_t context_{};
    std::byte* stack_ = nullptr;
    std::size_t size_ = 0;
    // The C++ runtime's per-thread state of exceptions in flight.
    struct {
        void* caught;
        unsigned uncaught;
    } exceptions_{};

    static constexpr std::size_t max_separate = 16;
    static constinit std::array<void*, max_separate> separated;
    std::array<void*, max_separate> own_{};  // values of the separated variables while this fiber does not run
};

}  // namespace explore::detail
