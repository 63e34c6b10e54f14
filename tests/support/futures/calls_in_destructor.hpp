// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

namespace support {

/// A value that calls a function in its destructor. A move copies the value, so the destructor of a moved-from value
/// calls the function, too.
class calls_in_destructor {
public:
    calls_in_destructor(int number, const std::function<void()>* call, int* alive) noexcept
        : number_(number), call_(call), alive_(alive) {
        ++*alive_;
    }
    calls_in_destructor(const calls_in_destructor& other) noexcept
        : calls_in_destructor(other.number_, other.call_, other.alive_) {}
    calls_in_destructor& operator=(const calls_in_destructor&) noexcept = default;
    ~calls_in_destructor() {
        --*alive_;
        if (call_ != nullptr && *call_) (*call_)();
    }

    [[nodiscard]] int number() const noexcept { return number_; }

private:
    int number_;
    const std::function<void()>* call_;
    int* alive_;
};

}  // namespace support
