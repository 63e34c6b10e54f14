// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/sync/detail/notify_state.hpp>

// The tree of sync::cancellation_token. A token is a handle of a node. A node without handles can only be cancelled by
// its parent, so it leaves the tree, and its children become children of its parent. This follows TreeNode of
// tokio-util.
//
//     alive ── cancel() of it or of an ancestor ──> cancelled: out of the tree, with all its descendants
//       └── its last handle is dropped ──> gone: replaced in the tree by its children
//
// Departures: a tree has one lock, and nodes have no pointer to the parent. The children of a node form a ring through
// the node's own link `children_`. So a node can leave the ring, or be replaced by its own ring of children, in O(1)
// and without access to its parent. If a root is gone, its children remain as a ring without a parent's link, and
// cannot be reached from above.
//
// cancel() takes the whole subtree out under the lock, without recursion, and wakes the waiters afterwards. This can
// take long, so the lock is a mutex and not a spin lock. Nodes do not own each other: a tree is destroyed by
// destroying its handles.

namespace eddy::detail {

/// A node of the tree.
/// Thread safety: any thread.
/// Lifetime: the handles and an active cancel() keep the node alive.
class EDDY_API token_node {
public:
    /// Makes a root with one handle.
    [[nodiscard]] static token_node* make_root();
    /// Makes a child of `parent` with one handle. If `parent` is cancelled, makes a cancelled root.
    [[nodiscard]] static token_node* make_child(token_node& parent);

    token_node(const token_node&) = delete;
    token_node& operator=(const token_node&) = delete;
    ~token_node() = default;

    void add_handle() noexcept { handles_.add(); }
    /// Drops a handle. Aborts with a message if it is the last one and there are waiters.
    void drop_handle() noexcept;

    /// Cancels the node and its descendants. When it returns, all of them are cancelled, and their waiters have been
    /// woken, except for waiters that a concurrent cancel() is about to wake.
    void cancel() noexcept;

    [[nodiscard]] bool is_cancelled() const noexcept {
        // acquire: pairs with the release in take_subtree(). The caller sees what was done before cancel().
        return is_cancelled_.load(std::memory_order_acquire);
    }

    /// Starts `one`. See notify_state::begin().
    void begin(notify_waiter& one) const noexcept { cancelled_.begin(one); }
    /// Returns whether the node is cancelled. Otherwise `wake` will be woken when the node is cancelled.
    /// Preconditions: begin() was called for `one`.
    [[nodiscard]] bool poll_cancelled(notify_waiter& one, const waker& wake) noexcept {
        return is_cancelled() || cancelled_.poll(one, &wake);
    }
    /// Returns whether a task waits for the node, or the node has a child.
    [[nodiscard]] bool is_awaited() noexcept;
    /// Stops waiting.
    void leave(notify_waiter& one) noexcept { cancelled_.leave(one); }

private:
    /// The part that all nodes of a tree share.
    struct tree {
        mutex lock;
        std::size_t nodes = 0;  ///< the number of nodes that have handles; the last one frees the tree
    };
    /// A link of a ring.
    struct link {
        link* previous = this;
        link* next = this;

        link() noexcept = default;
        link(const link&) = delete;
        link& operator=(const link&) = delete;

        [[nodiscard]] bool is_alone() const noexcept { return next == this; }
        void take_out() noexcept;
        void put_before(link& place) noexcept;
        void put_ring_before(link& place) noexcept;
    };
    struct sibling_link : link {
        token_node* node = nullptr;
    };

    token_node() noexcept { as_sibling_.node = this; }

    void release() noexcept;
    token_node* take_subtree() noexcept;

    ref_count<> handles_;
    /// References to the memory: one of all handles together, and one of an active cancel().
    ref_count<> references_;
    atomic<bool> is_cancelled_{false};
    tree* tree_ = nullptr;  ///< null if the node was made as a child of a cancelled node

    // Guarded by the tree's lock:
    link children_;
    sibling_link as_sibling_;
    token_node* next_taken_ = nullptr;  ///< used by cancel() after it has taken the node out

    notify_state cancelled_;
};

/// Owns one of the counted handles of a node.
class token_share {
public:
    token_share() : node_(token_node::make_root()) {}
    explicit token_share(token_node* taken_over) noexcept : node_(taken_over) {}
    token_share(const token_share& other) noexcept : node_(other.node_) { node_->add_handle(); }
    token_share& operator=(const token_share& other) noexcept {
        token_share copy(other);
        std::swap(node_, copy.node_);
        return *this;
    }
    EDDY_BEGIN_FALSE_UNINITIALIZED
    ~token_share() { node_->drop_handle(); }
    EDDY_END_FALSE_UNINITIALIZED

    [[nodiscard]] token_node* get() const noexcept { return node_; }
    token_node* operator->() const noexcept { return node_; }

private:
    token_node* node_;  // never null: a moved-from token still refers to its node, because there is no move constructor
};

}  // namespace eddy::detail

namespace eddy::detail {
struct token_access;
}  // namespace eddy::detail

namespace eddy::sync {

template <class Of>
class basic_cancelled_future;
template <class Of, class F>
class run_until_cancelled_future;
class cancellation_guard;

/// Tells tasks to stop. Cancelling a token only signals: each task checks the token at points where it can stop safely,
/// and then returns.
///     for (;;) {
///         auto next = co_await eddy::select(token.cancelled(), listener.accept());
///         if (next.index() == 0) break;
///         ...
///     }
///
/// Copies refer to the same token. A child_token() is cancelled together with its parent, and can be cancelled without
/// it. A cancellation cannot be undone. Does not need a runtime. To wait until the tasks have ended, use task_tracker.
/// A token that was moved from still refers to the same token, so a token is never empty.
/// Thread safety: all members may be called from any thread; assignment and destruction need exclusive access.
/// Cost: one allocation for a child token and two for a root token. Copying is one read-modify-write. is_cancelled() is
/// one load.
class cancellation_token {
public:
    /// The futures of cancelled() and cancelled_owned().
    using cancelled_future = basic_cancelled_future<eddy::detail::token_node*>;
    using owned_cancelled_future = basic_cancelled_future<eddy::detail::token_share>;

    /// Creates a token without a parent.
    cancellation_token() = default;

    /// Returns a token that is cancelled when this token is cancelled. Cancelling the child does not cancel this token.
    /// When all handles of the child are destroyed, the child's own children become children of this token.
    /// Cost: one allocation, under a lock of the whole tree of tokens. A cancel() in that tree holds the lock while it
    /// marks the descendants.
    [[nodiscard]] cancellation_token child_token() const {
        return cancellation_token(eddy::detail::token_share(eddy::detail::token_node::make_child(*share_.get())));
    }

    /// Cancels the token and all of its descendants, and wakes the tasks that wait for them. Later calls do nothing. A
    /// thread that sees a cancelled token also sees its descendants cancelled, and what this thread did before the
    /// cancel().
    /// Cost: proportional to the number of descendants; no recursion and no allocation.
    void cancel() const noexcept { share_->cancel(); }
    /// Returns true if the token is cancelled.
    [[nodiscard]] bool is_cancelled() const noexcept { return share_->is_cancelled(); }

    /// Returns a future that is ready when the token is cancelled, or immediately if it already is.
    /// Lifetime: the token or a copy of it must outlive the future. Destroying the last copy while the future waits
    /// terminates the program.
    /// Cost: no allocation; no read-modify-write until the future has to wait.
    [[nodiscard]] cancelled_future cancelled(
        std::source_location where = std::source_location::current()) const noexcept;
    /// Same as cancelled(), but the future owns a copy of the token.
    [[nodiscard]] owned_cancelled_future cancelled_owned(
        std::source_location where = std::source_location::current()) const noexcept;

    /// Runs `work` until it is ready or the token is cancelled. The output is a std::optional of the output of `work`
    /// (std::monostate for void), which is empty if the token was cancelled.
    /// Each poll checks the token first. On cancellation, `work` is ended by its poll_cancel(), if it has one, and then
    /// destroyed. A poll_cancel() may take several polls. `work` is destroyed before the future is ready.
    /// Errors: exceptions of `work` pass through.
    /// Cancel safety: same as `work`.
    /// Lifetime: `work` is moved in; pass std::ref to refer to an existing future. The token or a copy of it must
    /// outlive the future.
    template <class F>
    [[nodiscard]] auto run_until_cancelled(F&& work) const;
    /// Same as run_until_cancelled(), but the future owns a copy of the token, for example for a spawned task.
    template <class F>
    [[nodiscard]] auto run_until_cancelled_owned(F&& work) const;

    /// Returns a guard that cancels the token when it is destroyed, unless it was disarmed. Use it to stop the tasks
    /// that a function has started when the function returns.
    [[nodiscard]] cancellation_guard drop_guard() const noexcept;

    /// Returns true if both objects refer to the same token.
    [[nodiscard]] friend bool operator==(const cancellation_token& a, const cancellation_token& b) noexcept {
        return a.share_.get() == b.share_.get();
    }

private:
    friend struct std::hash<cancellation_token>;
    friend struct eddy::detail::token_access;
    explicit cancellation_token(const eddy::detail::token_share& share) noexcept : share_(share) {}

    eddy::detail::token_share share_;
};

}  // namespace eddy::sync

namespace eddy::detail {

struct token_access {
    /// Returns whether a task waits for the token or for a child of it.
    [[nodiscard]] static bool is_awaited(const sync::cancellation_token& of) noexcept {
        return of.share_->is_awaited();
    }
};

}  // namespace eddy::detail

namespace eddy::sync {

/// The future that cancellation_token::cancelled() and cancelled_owned() return. Moving it after its first poll
/// terminates the program.
template <class Of>
class [[nodiscard("co_await it")]] basic_cancelled_future : public future_ops<basic_cancelled_future<Of>> {
public:
    using output_type = void;

    basic_cancelled_future(const Of& of, const std::source_location& where) noexcept : of_(of), where_(where) {
        of_->begin(waiter_);
    }
    basic_cancelled_future(basic_cancelled_future&& other) noexcept
        : of_(other.of_),
          waiter_(other.waiter_,
                  "a cancellation_token's cancelled() was moved after its first poll: keep it where it is, or pass it "
                  "by std::ref. It was made",
                  other.where_),
          where_(other.where_) {}
    basic_cancelled_future& operator=(basic_cancelled_future&&) = delete;
    ~basic_cancelled_future() { of_->leave(waiter_); }

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        if (of_->poll_cancelled(waiter_, cx.waker())) return poll_result<void>::ready();
        cx.refund_budget();
        return not_ready;
    }

    static constexpr auto wait_shape() { return inspect::awaits("a cancellation", &basic_cancelled_future::of_); }

private:
    Of of_;
    eddy::detail::notify_waiter waiter_;
    std::source_location where_;
};

/// The future that cancellation_token::run_until_cancelled() and run_until_cancelled_owned() return. Moving it while it
/// waits for the token terminates the program.
/// Cancel safety: same as the inner future.
template <class Of, class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] run_until_cancelled_future
    : public future_ops<run_until_cancelled_future<Of, F>> {
public:
    using output_type = std::optional<eddy::detail::stored_t<output_t<F>>>;

    run_until_cancelled_future(F&& inner, const Of& of) : of_(of), inner_(std::in_place, std::move(inner)) {
        of_->begin(waiter_);
    }
    run_until_cancelled_future(run_until_cancelled_future&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : of_(other.of_),
          inner_(std::move(other.inner_)),
          waiter_(other.waiter_, "a run_until_cancelled()"),
          is_cancelled_(other.is_cancelled_) {}
    run_until_cancelled_future& operator=(run_until_cancelled_future&&) = delete;
    ~run_until_cancelled_future() { of_->leave(waiter_); }

    poll_result<output_type> poll(context& cx) {
        if (!inner_) eddy::detail::throw_has_ended("a run_until_cancelled()", cx.where());
        try {
            return is_cancelled_ || of_->is_cancelled() ? poll_end(cx) : poll_both(cx);
        } catch (...) {
            end();
            throw;
        }
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_ && !inner_->poll_cancel(cx).is_ready()) return not_ready;
        end();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&run_until_cancelled_future::inner_); }

private:
    poll_result<output_type> poll_both(context& cx) {
        auto answer = inner_->poll(cx);
        if (answer.is_ready()) {
            end();
            return poll_result<output_type>(std::in_place, std::in_place, eddy::detail::take_output(std::move(answer)));
        }
        // Only after the poll, so that a future that is ready immediately does not enter the list of waiters.
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        if (!of_->poll_cancelled(waiter_, cx.waker())) return not_ready;
        return poll_end(cx);
    }

    poll_result<output_type> poll_end(context& cx) {
        is_cancelled_ = true;
        if (!eddy::detail::poll_cancel_child(&*inner_, cx)) return not_ready;
        end();
        return output_type();
    }

    /// Destroys the inner future now. This future object may live longer, for example as a named variable, and must not
    /// keep the inner future alive.
    void end() noexcept {
        inner_.reset();
        of_->leave(waiter_);
    }

    Of of_;
    std::optional<F> inner_;
    eddy::detail::notify_waiter waiter_;
    bool is_cancelled_ = false;
};

/// Cancels a token when it is destroyed. Created by cancellation_token::drop_guard().
class [[nodiscard("it cancels its token when it is destroyed")]] cancellation_guard {
public:
    /// Creates a guard of the token `of`.
    explicit cancellation_guard(const cancellation_token& of) noexcept : token_(of) {}
    /// Takes ownership of the token; `other` is disarmed.
    cancellation_guard(cancellation_guard&& other) noexcept : token_(std::move(other.token_)) { other.token_.reset(); }
    cancellation_guard& operator=(cancellation_guard&& other) noexcept {
        cancellation_guard(std::move(other)).token_.swap(token_);
        return *this;
    }
    ~cancellation_guard() {
        if (token_) token_->cancel();
    }

    /// Returns the token without cancelling it. The guard does nothing from then on.
    /// Errors: throws `misuse` if the guard was already disarmed or moved from.
    cancellation_token disarm(std::source_location where = std::source_location::current()) {
        if (!token_) throw misuse("this cancellation_guard was already disarmed or moved from: disarm it once", where);
        auto token = *std::move(token_);
        token_.reset();
        return token;
    }

private:
    std::optional<cancellation_token> token_;
};

// ---- Implementation ----

inline cancellation_token::cancelled_future cancellation_token::cancelled(std::source_location where) const noexcept {
    return cancelled_future(share_.get(), where);
}

inline cancellation_token::owned_cancelled_future cancellation_token::cancelled_owned(
    std::source_location where) const noexcept {
    return owned_cancelled_future(share_, where);
}

inline cancellation_guard cancellation_token::drop_guard() const noexcept { return cancellation_guard(*this); }

template <class F>
auto cancellation_token::run_until_cancelled(F&& work) const {
    return eddy::detail::make_adaptor<run_until_cancelled_future<eddy::detail::token_node*, eddy::detail::owned_t<F>>>(
        std::forward<F>(work), share_.get());
}

template <class F>
auto cancellation_token::run_until_cancelled_owned(F&& work) const {
    return eddy::detail::make_adaptor<run_until_cancelled_future<eddy::detail::token_share, eddy::detail::owned_t<F>>>(
        std::forward<F>(work), share_);
}

}  // namespace eddy::sync

/// Copies of a token have equal hashes.
template <>
struct std::hash<eddy::sync::cancellation_token> {
    std::size_t operator()(const eddy::sync::cancellation_token& token) const noexcept {
        return std::hash<eddy::detail::token_node*>()(token.share_.get());
    }
};
