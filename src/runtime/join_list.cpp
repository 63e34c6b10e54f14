// SPDX-License-Identifier: MIT
#include <eddy/detail/join_list.hpp>

#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

/// The entries whose tasks have ended, oldest first, and who is to be told of the next.
struct join_ready_list {
    spin_lock lock;
    join_entry* first = nullptr;  // this and the next two: under the lock
    join_entry* last = nullptr;
    waker wake;
    atomic<std::uint32_t> references{1};

    void release() noexcept {
        // acq_rel: whoever frees sees what the others did before they let go.
        if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) pool_delete(this);
    }
};

/// One task of a list.
///
///     field                who may touch it
///     ended, references    everybody
///     state, next_ended    under the lock of `ended`
///     the rest             the list's owner
struct join_entry {
    enum class where : unsigned char {
        waiting,  ///< for its task to end
        ended,    ///< in the list of those that have
        out,      ///< of both lists: wakers that are left do nothing
    };

    join_ready_list* const ended;
    atomic<std::uint32_t> references{1};  // the list's; and one of each waker
    where state = where::waiting;
    join_entry* next_ended = nullptr;
    joinable* task = nullptr;
    join_entry* previous = nullptr;
    join_entry* next = nullptr;

    explicit join_entry(join_ready_list& of) noexcept : ended(&of) {
        // relaxed: whoever makes a reference has one already.
        of.references.fetch_add(1, std::memory_order_relaxed);
    }
    join_entry(const join_entry&) = delete;
    join_entry& operator=(const join_entry&) = delete;

    void release() noexcept {
        // acq_rel: as in join_ready_list::release().
        if (references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        join_ready_list* const list = ended;
        pool_delete(this);
        list->release();
    }

    /// The task has ended: any thread.
    void notify() noexcept {
        waker owner;
        {
            const std::lock_guard guard(ended->lock);
            if (state != where::waiting) return;
            state = where::ended;
            (ended->last != nullptr ? ended->last->next_ended : ended->first) = this;
            ended->last = this;
            owner = std::move(ended->wake);
        }
        std::move(owner).wake();
    }
};

namespace {

join_entry& entry_of(void* data) noexcept { return *static_cast<join_entry*>(data); }

struct entry_waker {
    static void* clone(void* data) noexcept {
        // relaxed: the caller holds a reference already.
        entry_of(data).references.fetch_add(1, std::memory_order_relaxed);
        return data;
    }
    static void wake_by_ref(void* data) noexcept { entry_of(data).notify(); }
    static void drop(void* data) noexcept { entry_of(data).release(); }
    static void wake(void* data) noexcept {
        wake_by_ref(data);
        drop(data);
    }
    static constexpr waker_vtable vtable{&clone, &wake, &wake_by_ref, &drop};
};

/// Whether the entry's task has ended. If not, the entry is notified when it has.
bool watch(join_entry& entry) noexcept {
    const borrowed_waker borrowed(&entry_waker::vtable, &entry);
    return entry.task->join->poll_join(*entry.task, borrowed.get());
}

/// Of an entry that is out.
void wait_again(join_entry& entry) noexcept {
    {
        const std::lock_guard guard(entry.ended->lock);
        entry.state = join_entry::where::waiting;
    }
    if (watch(entry)) entry.notify();
}

/// The oldest entry whose task has ended. Under the lock.
join_entry* pop(join_ready_list& from) noexcept {
    join_entry* const oldest = from.first;
    if (oldest == nullptr) return nullptr;
    from.first = std::exchange(oldest->next_ended, nullptr);
    if (from.first == nullptr) from.last = nullptr;
    oldest->state = join_entry::where::out;
    return oldest;
}

/// The same; if there is none, `wake` (if not null) is put in its place. Wakers are cloned and dropped outside of the
/// lock.
join_entry* pop_or_wait(join_ready_list& from, const waker* wake) noexcept {
    {
        const std::lock_guard guard(from.lock);
        if (join_entry* const oldest = pop(from)) return oldest;
        if (wake == nullptr || from.wake.will_wake(*wake)) return nullptr;
    }
    waker copy = *wake;
    const std::lock_guard guard(from.lock);
    if (join_entry* const oldest = pop(from)) return oldest;
    from.wake.swap(copy);
    return nullptr;
}

}  // namespace

join_list& join_list::operator=(join_list&& other) noexcept {
    join_list taken(std::move(other));
    std::swap(ended_, taken.ended_);
    std::swap(spare_, taken.spare_);
    std::swap(first_, taken.first_);
    std::swap(size_, taken.size_);
    return *this;
}

join_list::~join_list() {
    let_go(true);
    if (spare_ != nullptr) spare_->release();
    if (ended_ != nullptr) ended_->release();
}

void join_list::reserve() {
    if (ended_ == nullptr) ended_ = pool_new<join_ready_list>();
    if (spare_ == nullptr) spare_ = pool_new<join_entry>(*ended_);
}

void join_list::add(joinable& task) noexcept {
    EDDY_ASSERT(spare_ != nullptr, "join_list: add() without reserve()");
    join_entry& entry = *std::exchange(spare_, nullptr);
    entry.task = &task;
    entry.next = first_;
    if (first_ != nullptr) first_->previous = &entry;
    first_ = &entry;
    ++size_;
    if (watch(entry)) entry.notify();
}

joinable* join_list::take_ended(const waker* wake) noexcept {
    if (ended_ == nullptr) return nullptr;
    while (join_entry* const entry = pop_or_wait(*ended_, wake)) {
        if (!entry->task->join->is_finished(*entry->task)) {
            // Woken for nothing, it waits again. (No task of ours does that, but any waker may.)
            wait_again(*entry);
            continue;
        }
        joinable* const task = std::exchange(entry->task, nullptr);
        unlink(*entry);
        entry->release();
        return task;
    }
    return nullptr;
}

void join_list::unlink(join_entry& entry) noexcept {
    (entry.previous != nullptr ? entry.previous->next : first_) = entry.next;
    if (entry.next != nullptr) entry.next->previous = entry.previous;
    --size_;
}

void join_list::abort_all() noexcept {
    for (join_entry* entry = first_; entry != nullptr; entry = entry->next) entry->task->join->abort(*entry->task);
}

void join_list::let_go(bool with_abort) noexcept {
    if (first_ == nullptr) return;
    waker owner;
    {
        const std::lock_guard guard(ended_->lock);
        for (join_entry* entry = first_; entry != nullptr; entry = entry->next) {
            entry->state = join_entry::where::out;
        }
        ended_->first = ended_->last = nullptr;
        owner = std::move(ended_->wake);
    }
    // Taken out first: what the tasks' ends call may come back here.
    join_entry* next = std::exchange(first_, nullptr);
    size_ = 0;
    while (next != nullptr) {
        join_entry& entry = *std::exchange(next, next->next);
        if (with_abort) entry.task->join->abort(*entry.task);
        entry.task->join->drop_handle(*entry.task);
        entry.release();
    }
    // Whoever waits for the next to end: there is none.
    std::move(owner).wake();
}

}  // namespace eddy::detail
