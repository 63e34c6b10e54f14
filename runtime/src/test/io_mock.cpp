// SPDX-License-Identifier: MIT
#include <eddy/test/io_mock.hpp>

#include <algorithm>
#include <cstring>
#include <iterator>

#include <eddy/error.hpp>

namespace eddy::detail {

// Waiters are woken without the lock, because wakers may run user code.

void mock_inbox::waiting::wake() && {
    if (reader) std::move(*reader).wake();
    if (writer) std::move(*writer).wake();
}

void mock_inbox::add(mock_step&& step) {
    std::unique_lock guard(lock_);
    steps_.push_back(std::move(step));
    auto woken = std::exchange(waiting_, {});
    guard.unlock();
    std::move(woken).wake();
}

void mock_inbox::close() {
    std::unique_lock guard(lock_);
    is_closed_ = true;
    auto woken = std::exchange(waiting_, {});
    guard.unlock();
    std::move(woken).wake();
}

void mock_inbox::take(std::deque<mock_step>& script) {
    const std::scoped_lock guard(lock_);
    std::ranges::move(steps_, std::back_inserter(script));
    steps_.clear();
}

void mock_inbox::copy_to(std::deque<mock_step>& script) const {
    const std::scoped_lock guard(lock_);
    std::ranges::copy(steps_, std::back_inserter(script));
}

bool mock_inbox::wait_for_more(context& cx, bool writes) {
    std::optional<waker> mine(cx.waker());
    std::unique_lock guard(lock_);
    const bool has_arrived = !steps_.empty();  // a step was added since take()
    if (is_closed_ && !has_arrived) return false;
    (writes ? waiting_.writer : waiting_.reader).swap(mine);  // the previous waker is dropped after the lock
    guard.unlock();
    if (has_arrived) cx.waker().wake_by_ref();
    return true;
}

bool mock_inbox::is_empty() const {
    const std::scoped_lock guard(lock_);
    return steps_.empty();
}

}  // namespace eddy::detail

namespace eddy::test {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
    // SAFETY: any object may be read as char. The caller keeps the bytes alive while it uses the view.
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Returns the bytes as a C++ string literal, truncated after 60 bytes.
std::string in_quotes(std::string_view bytes) {
    constexpr std::size_t most = 60;
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "\"";
    for (const char c : bytes.substr(0, most)) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '\n') {
            text += "\\n";
        } else if (c == '\r') {
            text += "\\r";
        } else if (c == '"' || c == '\\') {
            text += {'\\', c};
        } else if (code < 0x20 || code > 0x7e) {
            text += {'\\', 'x', digits[code / 16], digits[code % 16]};
        } else {
            text += c;
        }
    }
    return text + (bytes.size() > most ? "\"..." : "\"");
}

std::string counted(std::size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void wake(std::optional<waker>& waiting) {
    if (auto woken = std::exchange(waiting, std::nullopt)) std::move(*woken).wake();
}

}  // namespace

bool io_mock::poll_pauses(context& cx) {
    while (!script_.empty() && script_.front().kind == step_kind::wait) {
        if (!pause_) pause_ = std::make_unique<time::sleep_future>(time::sleep(script_.front().pause, cx.where()));
        if (!pause_->poll(cx)) return false;
        pause_.reset();
        end_of(script_.front());
    }
    return true;
}

/// Removes a step that has ended. Wakes the reader and the writer, which may wait for this step or a later one.
void io_mock::end_of(const step& over) {
    const auto at = std::ranges::find_if(script_, [&](const step& one) { return &one == &over; });
    script_.erase(at);
    wake(reader_);
    wake(writer_);
}

io_mock::step* io_mock::next_write() noexcept {
    for (step& one : script_) {
        if (one.kind != step_kind::read && one.kind != step_kind::read_error) return &one;
    }
    return nullptr;
}

poll_result<result<std::size_t>> io_mock::poll_read(context& cx, std::span<std::byte> into) {
    if (into.empty()) return ok(std::size_t{0});
    if (more_) more_->take(script_);
    if (poll_pauses(cx)) {
        if (script_.empty()) {
            if (more_ && more_->wait_for_more(cx, false)) return not_ready;
            return ok(std::size_t{0});
        }
        step& next = script_.front();
        if (next.kind == step_kind::read) {
            const std::size_t count = std::min(into.size(), next.bytes.size());
            std::memcpy(into.data(), next.bytes.data(), count);
            next.bytes.erase(0, count);
            if (next.bytes.empty()) end_of(next);
            return ok(count);
        }
        if (next.kind == step_kind::read_error) {
            const auto error = next.error;
            end_of(next);
            return result<std::size_t>(std::unexpect, error);
        }
    }
    reader_ = cx.waker();
    return not_ready;
}

poll_result<result<std::size_t>> io_mock::poll_write(context& cx, std::span<const std::byte> from) {
    if (from.empty()) return ok(std::size_t{0});
    if (more_) more_->take(script_);
    step* const next = poll_pauses(cx) ? next_write() : &script_.front();
    if (next == nullptr) {
        if (more_ && more_->wait_for_more(cx, true)) return not_ready;
        throw misuse("io_mock: " + in_quotes(text_of(from)) + " was written, and nothing more was expected",
                     cx.where());
    }
    if (next->kind == step_kind::wait) {
        writer_ = cx.waker();
        return not_ready;
    }
    if (next->kind == step_kind::write_error) {
        const auto error = next->error;
        end_of(*next);
        return result<std::size_t>(std::unexpect, error);
    }
    const std::size_t count = std::min(from.size(), next->bytes.size());
    const auto got = text_of(from.first(count));
    const auto same = static_cast<std::size_t>(std::ranges::mismatch(got, next->bytes).in1 - got.begin());
    if (same != count) {
        throw misuse("io_mock: " + in_quotes(text_of(from.subspan(same))) + " was written where " +
                         in_quotes(std::string_view(next->bytes).substr(same)) + " was expected, after " +
                         counted(same, "byte") + " as expected",
                     cx.where());
    }
    next->bytes.erase(0, count);
    if (next->bytes.empty()) end_of(*next);
    return ok(count);
}

poll_result<result<void>> io_mock::poll_shutdown(context&) {
    is_shut_down_ = true;
    return ok();
}

void io_mock::assert_done(std::source_location where) const {
    auto left = script_;
    if (more_) more_->copy_to(left);
    if (left.empty()) return;
    const step& next = left.front();
    std::string text = "io_mock: " + counted(left.size(), "step") + " of the script " +
                       (left.size() == 1 ? "is" : "are") + " left; the next is ";
    switch (next.kind) {
    case step_kind::read: text += "to read " + in_quotes(next.bytes); break;
    case step_kind::write: text += "to write " + in_quotes(next.bytes); break;
    case step_kind::wait: text += "to wait"; break;
    case step_kind::read_error: text += "a read that fails"; break;
    case step_kind::write_error: text += "a write that fails"; break;
    }
    throw misuse(text, where);
}

}  // namespace eddy::test
