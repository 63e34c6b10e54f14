// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/bytes.hpp>

namespace eddy::inspect {

/// A text about all tasks, which many clients ask for. A client that reads slowly keeps its text. So clients that ask
/// for a large one within a second share it, and there are only some at the same time.
///
/// Thread safety: one thread at a time.
template <class Clock = std::chrono::steady_clock>
class shared_text {
public:
    static constexpr std::size_t most_texts = 4;
    static constexpr std::size_t large = 64 << 10;
    static constexpr std::chrono::seconds shared_for{1};

    /// Returns the large text that another client still reads, if it is not too old, else the text that `make()`
    /// returns. Returns nothing if older texts are still being read, as many as there may be.
    template <class F>
    [[nodiscard]] std::optional<bytes> get(F make) {
        std::erase_if(made_, [](const made_text& one) { return one.text.expired(); });
        if (!made_.empty() && Clock::now() - made_.back().at < shared_for)
            if (auto text = made_.back().text.lock()) return bytes::from_owner(owner{std::move(text)});
        if (made_.size() == most_texts) return std::nullopt;
        std::string made = make();
        if (made.size() < large) return bytes(std::move(made));
        auto text = std::make_shared<const std::string>(std::move(made));
        made_.push_back({Clock::now(), text});
        return bytes::from_owner(owner{std::move(text)});
    }

private:
    /// What keeps a text alive.
    struct owner {
        std::shared_ptr<const std::string> text;

        [[nodiscard]] const char* data() const noexcept { return text->data(); }
        [[nodiscard]] std::size_t size() const noexcept { return text->size(); }
    };
    struct made_text {
        typename Clock::time_point at;
        std::weak_ptr<const std::string> text;
    };

    std::vector<made_text> made_;  // the newest one last
};

}  // namespace eddy::inspect
