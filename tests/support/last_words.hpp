// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <utility>

namespace support {

/// An object that calls a function in its destructor.
class last_words {
public:
    explicit last_words(std::function<void()> f) : f_(std::move(f)) {}
    last_words(last_words&& other) noexcept : f_(std::exchange(other.f_, nullptr)) {}
    last_words& operator=(last_words&&) = delete;
    ~last_words() {
        if (f_) f_();
    }

private:
    std::function<void()> f_;
};

}  // namespace support
