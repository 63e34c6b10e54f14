// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include <eddy/future/future.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::test {

template <class T>
class stream_builder;

/// A stream whose items and pauses are a script. Made by stream_builder.
template <class T>
class [[nodiscard]] stream_mock : public stream_ops<stream_mock<T>> {
public:
    using item_type = T;

    /// Polls for the next item; nullopt at the end of the script.
    poll_result<std::optional<T>> poll_next(context& cx) {
        while (!script_.empty()) {
            if (T* const item = std::get_if<T>(&script_.front())) {
                std::optional<T> next(std::move(*item));
                script_.pop_front();
                return next;
            }
            if (!pause_)
                pause_ = std::make_unique<time::sleep_future>(
                    time::sleep(std::get<pause>(script_.front()).length, cx.where()));
            if (!pause_->poll(cx)) return not_ready;
            pause_.reset();
            script_.pop_front();
        }
        return std::nullopt;
    }

    /// Returns whether all items were returned.
    [[nodiscard]] bool is_done() const noexcept { return script_.empty(); }

private:
    friend class stream_builder<T>;
    struct pause {
        time::duration length;
        explicit pause(time::duration of) noexcept : length(of) {}
    };
    using script = std::deque<std::variant<T, pause>>;

    explicit stream_mock(script&& from) : script_(std::move(from)) {}

    script script_;
    std::unique_ptr<time::sleep_future> pause_;  // the current pause; must not be moved with this object
};

/// Builds the script of a stream_mock. The stream ends after the last step:
///     auto numbers = test::stream_builder<int>().item(1).wait(5ms).item(2).build();
template <class T>
class stream_builder {
public:
    /// Adds an item.
    stream_builder& item(T next) {
        script_.emplace_back(std::in_place_index<0>, std::move(next));
        return *this;
    }
    /// Adds a pause without items. With a paused clock it takes no real time.
    template <class Rep, class Period>
    stream_builder& wait(std::chrono::duration<Rep, Period> length) {
        script_.emplace_back(std::in_place_index<1>, time::round_up(length));
        return *this;
    }

    /// Makes a stream from the script, and leaves the builder empty.
    [[nodiscard]] stream_mock<T> build() { return stream_mock<T>(std::exchange(script_, {})); }

private:
    typename stream_mock<T>::script script_;
};

}  // namespace eddy::test
