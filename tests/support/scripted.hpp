// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>

namespace support {

enum class plan { pending, ready, fails, throws };

/// The behavior and the state of a scripted future. A script must outlive its future.
struct script {
    plan now = plan::pending;
    int value = 0;
    bool may_end = true;  // whether poll_cancel is ready

    int polls = 0;
    int cancel_polls = 0;
    bool alive = false;
    eddy::waker waker = {};  // of the last poll

    void change(plan next) {
        now = next;
        std::exchange(waker, eddy::waker()).wake();
    }
};

/// Scripts with the values 0, 1, 2, ...
inline std::vector<script> numbered_scripts(std::size_t count) {
    std::vector<script> made(count);
    for (std::size_t i = 0; i < count; ++i) made[i].value = static_cast<int>(i);
    return made;
}

namespace detail {

class follows_script {
public:
    using output_type = eddy::result<int>;

    explicit follows_script(script& s) noexcept : script_(&s) { s.alive = true; }
    follows_script(follows_script&& other) noexcept : script_(std::exchange(other.script_, nullptr)) {}
    follows_script& operator=(follows_script&&) = delete;
    // Not inlined: otherwise GCC 12 warns that the value of an empty optional may be uninitialized.
    [[gnu::noinline]] ~follows_script() {
        if (script_ != nullptr) script_->alive = false;
    }

    eddy::poll_result<output_type> poll(eddy::context& cx) {
        ++script_->polls;
        switch (script_->now) {
        case plan::ready: return output_type(script_->value);
        case plan::fails: return output_type(std::unexpect, std::make_error_code(std::errc::io_error));
        case plan::throws: throw std::runtime_error("scripted");
        case plan::pending: break;
        }
        script_->waker = cx.waker();
        return eddy::not_ready;
    }

protected:
    script* script_;
};

}  // namespace detail

/// A future of a `result<int>` that follows its script.
class scripted : public detail::follows_script, public eddy::future_ops<scripted> {
public:
    using follows_script::follows_script;
};

/// A future that follows its script and has a poll_cancel, which is ready if the script's `may_end` is set.
class cancellable_scripted : public detail::follows_script, public eddy::future_ops<cancellable_scripted> {
public:
    using follows_script::follows_script;

    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        ++script_->cancel_polls;
        if (script_->may_end) return eddy::poll_result<void>::ready();
        script_->waker = cx.waker();
        return eddy::not_ready;
    }
};

}  // namespace support
