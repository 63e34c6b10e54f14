// SPDX-License-Identifier: MIT
// The inbox between the requests and the connection of an HTTP/2 client: each request gets one stream, on which all
// parts of its body arrive in order, although the requests run on other threads than the connection.
#include "client/call_inbox.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>

#include "explore/explore.hpp"

namespace {

using eddy::detail::call_inbox;
using eddy::detail::call_news;
using eddy::detail::inbox_entry;
using explore::check;
using explore::fails;
using explore::holds;

constexpr explore::options thorough{.preemptions = 3};

// ---- The model: the link and the connection ----

struct library_inbox {
    template <class Call>
    using entry = inbox_entry<Call*>;
    template <class Call>
    using inbox = call_inbox<Call*>;
};

template <class Kind>
struct call : Kind::template entry<call<Kind>> {
    // Guarded by the lock of the link:
    int part = 0;  // 0: empty
    // Used by the connection:
    int stream = 0;
    bool is_deferred = false;  // nothing is sent before the next part was announced
    int sent = 0;              // the numbers of the parts, as digits
    // Set by the connection when the part was sent, or when the call has ended:
    explore::event moves;
};

/// As http2_link.
template <class Kind>
class link {
    using pointer = call<Kind>*;

public:
    void submit(pointer one) {
        change([&] { return inbox_.submit(one); });
    }
    void fill(pointer one, int part) {
        change([&] {
            one->part = part;
            return inbox_.change(one);
        });
    }
    void drop(pointer one) {
        change([&] { return inbox_.drop(one); });
    }

    auto take() {
        const std::lock_guard guard(lock_);
        return inbox_.take();
    }
    int take_part(call<Kind>& one) {
        const std::lock_guard guard(lock_);
        return std::exchange(one.part, 0);
    }
    void close(call<Kind>& one) {
        {
            const std::lock_guard guard(lock_);
            inbox_.close(one);
        }
        one.moves.set();
    }
    void wait() {
        {
            const std::lock_guard guard(lock_);
            if (!inbox_.is_empty()) return;
            waits_ = true;
        }
        wakes_.wait();
    }

private:
    template <class Change>
    void change(Change does) {
        bool wakes = false;
        {
            const std::lock_guard guard(lock_);
            if (does()) wakes = std::exchange(waits_, false);
        }
        if (wakes) wakes_.set();
    }

    eddy::detail::mutex lock_;
    typename Kind::template inbox<call<Kind>> inbox_;
    bool waits_ = false;
    explore::event wakes_;
};

/// As http2_client_connection, with a server that permits one stream. A call ends when its part 2 was sent, or when it
/// was dropped.
template <class Kind>
class connection {
public:
    explicit connection(link<Kind>& to) : link_(to) {}

    /// Runs until as many calls have ended.
    void run(int calls) {
        while (ended_ != calls) {
            const bool moves = take_news();
            if (!send() && !moves) link_.wait();
        }
    }

private:
    bool take_news() {
        bool has_one = false;
        for (auto next = link_.take(); next.call; next = link_.take()) {
            has_one = true;
            auto& one = *next.call;
            if (next.news == call_news::submitted) waiting_.push_back(std::move(next.call));
            if (next.news == call_news::filled) one.is_deferred = false;
            if (next.news == call_news::dropped) drop(one);
        }
        if (!open_ && !waiting_.empty()) {
            open_ = std::move(waiting_.front());
            waiting_.pop_front();
            check(open_->stream == 0, "a call gets one stream");
            open_->stream = ++streams_;
        }
        return has_one;
    }
    bool send() {
        if (!open_ || open_->is_deferred) return false;
        const int part = link_.take_part(*open_);
        if (part == 0) {
            open_->is_deferred = true;
            return false;
        }
        open_->sent = 10 * open_->sent + part;
        if (part == 2) {
            end(*std::exchange(open_, nullptr));
        } else {
            open_->moves.set();
        }
        return true;
    }
    void drop(call<Kind>& one) {
        std::erase_if(waiting_, [&](const auto& each) { return each == &one; });
        if (open_ == &one) open_ = nullptr;
        end(one);
    }
    void end(call<Kind>& one) {
        ++ended_;
        link_.close(one);
    }

    link<Kind>& link_;
    std::deque<call<Kind>*> waiting_;
    call<Kind>* open_ = nullptr;
    int streams_ = 0;
    int ended_ = 0;
};

// ---- The programs ----

template <class Kind>
void send_two_parts(link<Kind>& to, call<Kind>* one) {
    to.submit(one);
    for (const int part : {1, 2}) {
        to.fill(one, part);
        one->moves.wait();
    }
    check(one->sent == 12, "the parts are sent once, in order");
}

template <class Kind>
void one_request() {
    const auto heap = std::make_unique<link<Kind>>();
    auto& shared = *heap;
    const auto owner_of_one = std::make_unique<call<Kind>>();
    auto* const one = owner_of_one.get();
    explore::thread requester([&] { send_two_parts(shared, one); });
    connection<Kind>(shared).run(1);
}

/// One of them waits for the stream of the other, and fills its part meanwhile.
template <class Kind>
void two_requests() {
    const auto heap = std::make_unique<link<Kind>>();
    auto& shared = *heap;
    const auto owner_of_first = std::make_unique<call<Kind>>();
    auto* const first = owner_of_first.get();
    const auto owner_of_second = std::make_unique<call<Kind>>();
    auto* const second = owner_of_second.get();
    explore::thread one([&] { send_two_parts(shared, first); });
    explore::thread two([&] { send_two_parts(shared, second); });
    connection<Kind>(shared).run(2);
}

template <class Kind>
void dropped_request() {
    const auto heap = std::make_unique<link<Kind>>();
    auto& shared = *heap;
    const auto owner_of_one = std::make_unique<call<Kind>>();
    auto* const one = owner_of_one.get();
    explore::thread requester([&] {
        shared.submit(one);
        shared.fill(one, 1);
        shared.drop(one);
    });
    connection<Kind>(shared).run(1);
}

/// The connection refuses a request that waits, so the client sends it on another connection.
template <class Kind>
void refused_request() {
    const auto heap = std::make_unique<link<Kind>>();
    auto& shared = *heap;
    const auto owner_of_one = std::make_unique<call<Kind>>();
    auto* const one = owner_of_one.get();
    {
        explore::thread requester([&] {
            shared.submit(one);
            shared.fill(one, 1);
        });
        auto taken = shared.take();
        while (!taken.call) {
            shared.wait();
            taken = shared.take();
        }
        shared.close(*one);
    }
    check(!shared.take().call, "a refused call does not come back");
}

TEST(ExploreCallInbox, EachRequestGetsOneStreamAndSendsAllParts) {
    EXPECT_TRUE(holds(thorough, one_request<library_inbox>));
    EXPECT_TRUE(holds(two_requests<library_inbox>));
}

TEST(ExploreCallInbox, DroppedAndRefusedRequestsEndOnce) {
    EXPECT_TRUE(holds(thorough, dropped_request<library_inbox>));
    EXPECT_TRUE(holds(thorough, refused_request<library_inbox>));
}

// ---- Copies with one mistake each fail ----

enum class mistake {
    none,
    asks_for_stream,  // a call without a stream counts as new
    unlists_late,     // a call can be added again only after the next one was taken
    returns_closed,   // a refused call that has changed before is returned again
    forgets_drop,     // a drop is recorded only if the call was not in the list
};

template <mistake Made>
struct changed {
    template <class Call>
    struct entry {
        bool was_taken = false;
        bool is_closed = false;
        bool is_listed = false;
        bool is_dropped = false;
    };

    template <class Call>
    class inbox {
    public:
        [[nodiscard]] bool is_empty() const { return list_.empty(); }
        bool submit(Call* one) { return add(one); }
        bool change(Call* one) { return !one->is_closed && add(one); }
        bool drop(Call* one) {
            if (Made != mistake::forgets_drop || !one->is_listed) one->is_dropped = true;
            return change(one);
        }
        [[nodiscard]] typename call_inbox<Call*>::item take() {
            if (Made == mistake::unlists_late && last_taken_ && !list_.empty())
                std::exchange(last_taken_, nullptr)->is_listed = false;
            while (!list_.empty()) {
                Call* one = list_.front();
                list_.pop_front();
                if (Made == mistake::unlists_late) {
                    last_taken_ = one;
                } else {
                    one->is_listed = false;
                }
                if (Made != mistake::returns_closed && one->is_closed) continue;
                auto news = one->was_taken ? call_news::filled : call_news::submitted;
                if (Made == mistake::asks_for_stream)
                    news = one->stream != 0 ? call_news::filled : call_news::submitted;
                one->was_taken = true;
                if (one->is_dropped) news = call_news::dropped;
                return {std::move(one), news};
            }
            return {};
        }
        void close(Call& one) { one.is_closed = true; }

    private:
        bool add(Call* one) {
            if (std::exchange(one->is_listed, true)) return false;
            list_.push_back(one);
            return true;
        }

        std::deque<Call*> list_;
        Call* last_taken_ = nullptr;
    };
};

TEST(ExploreCallInbox, BrokenInboxesFail) {
    EXPECT_TRUE(holds(thorough, one_request<changed<mistake::none>>));
    EXPECT_TRUE(holds(thorough, dropped_request<changed<mistake::none>>));
    EXPECT_TRUE(holds(thorough, refused_request<changed<mistake::none>>));
    EXPECT_TRUE(fails(thorough, two_requests<changed<mistake::asks_for_stream>>, "a call gets one stream"));
    EXPECT_TRUE(fails(thorough, one_request<changed<mistake::unlists_late>>, "deadlock"));
    EXPECT_TRUE(
        fails(thorough, refused_request<changed<mistake::returns_closed>>, "a refused call does not come back"));
    EXPECT_TRUE(fails(thorough, dropped_request<changed<mistake::forgets_drop>>, "deadlock"));
}

}  // namespace
