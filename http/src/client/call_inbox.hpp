// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

namespace eddy::detail {

/// What a request has done with its call since the connection has last taken the call from the inbox.
enum class call_news : unsigned char { submitted, filled, dropped };

/// The base class of a call that can be in a call_inbox. Its members are guarded by the lock of the inbox.
///
///     created ──submit()──> submitted ──take()──> taken ──close()──> closed
///
/// A call is in the list at most once. In the phase `taken` it can be added again: while it waits for a stream, while
/// its stream is open, and also while the connection processes an earlier take(). So the phase, and not the list, says
/// whether the connection already knows the call.
///
/// `Pointer` is a std::shared_ptr to the call. The models in runtime/tests/explore use plain pointers.
template <class Pointer>
class inbox_entry {
    template <class>
    friend class call_inbox;

    enum class phase : unsigned char { created, submitted, taken, closed };

    phase at_ = phase::created;
    bool is_listed_ = false;
    bool is_dropped_ = false;
    Pointer next_ = nullptr;
};

/// The calls that requests have submitted or changed, in this order, for the connection that processes them.
/// Thread safety: none. The owner has a lock, and wakes the connection after a function has returned true.
template <class Pointer>
class call_inbox {
    using call_type = typename std::pointer_traits<Pointer>::element_type;

public:
    /// The result of take().
    struct item {
        Pointer call = nullptr;  // null if the inbox is empty
        call_news news = call_news::filled;

        item() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
        item(Pointer&& taken, call_news what) noexcept : call(std::move(taken)), news(what) {}
    };

    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    /// Adds a new call. Returns true: it was added.
    bool submit(const Pointer& call) noexcept {
        call->at_ = phase::submitted;
        return add(call);
    }
    /// Adds a call whose request has changed it. Returns whether it was added: it may be in the list already, or the
    /// connection may not use it any more.
    bool change(const Pointer& call) noexcept {
        return (call->at_ == phase::submitted || call->at_ == phase::taken) && add(call);
    }
    /// Same as change(). The request does not use the call any more.
    bool drop(const Pointer& call) noexcept {
        call->is_dropped_ = true;
        return change(call);
    }

    /// Removes and returns the first call. Returns each call once as `submitted`, unless it was dropped before, and no
    /// call after close().
    [[nodiscard]] item take() noexcept {
        while (first_) {
            Pointer taken = std::move(first_);
            first_ = std::exchange(taken->next_, nullptr);
            if (!first_) last_ = nullptr;
            taken->is_listed_ = false;
            if (taken->at_ == phase::closed) continue;
            const auto before = std::exchange(taken->at_, phase::taken);
            if (taken->is_dropped_) return item(std::move(taken), call_news::dropped);
            return item(std::move(taken), before == phase::submitted ? call_news::submitted : call_news::filled);
        }
        return item();
    }
    /// The connection does not use the call any more.
    void close(call_type& call) noexcept { call.at_ = phase::closed; }
    [[nodiscard]] static bool is_closed(const call_type& call) noexcept { return call.at_ == phase::closed; }

private:
    using phase = typename inbox_entry<Pointer>::phase;

    bool add(const Pointer& call) noexcept {
        if (call->is_listed_) return false;
        call->is_listed_ = true;
        (last_ != nullptr ? last_->next_ : first_) = call;
        last_ = std::to_address(call);
        return true;
    }

    Pointer first_ = nullptr;
    call_type* last_ = nullptr;
};

}  // namespace eddy::detail
