// SPDX-License-Identifier: MIT
#include "support/runtime/ring_faults.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "reactor/ring/uring_abi.hpp"

// The linker redirects each call of these functions to wrapped_*. The functions *_for_real are the originals. The
// labels are the names that `--wrap` of ld(1) defines.
extern "C" {
int enter_for_real(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t* argument,
                   std::size_t size) __asm__("__real_io_uring_enter2");
int wrapped_enter(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t* argument,
                  std::size_t size) __asm__("__wrap_io_uring_enter2");
int setup_for_real(unsigned entries, io_uring_params* params) __asm__("__real_io_uring_setup");
int wrapped_setup(unsigned entries, io_uring_params* params) __asm__("__wrap_io_uring_setup");
int map_for_real(int fd, io_uring_params* params, io_uring* made) __asm__("__real_io_uring_queue_mmap");
int wrapped_map(int fd, io_uring_params* params, io_uring* made) __asm__("__wrap_io_uring_queue_mmap");
void exit_for_real(io_uring* gone) __asm__("__real_io_uring_queue_exit");
void wrapped_exit(io_uring* gone) __asm__("__wrap_io_uring_queue_exit");
int register_fd_for_real(io_uring* enabled) __asm__("__real_io_uring_register_ring_fd");
int wrapped_register_fd(io_uring* enabled) __asm__("__wrap_io_uring_register_ring_fd");
int register_buffers_for_real(io_uring* of, io_uring_buf_reg* what,
                              unsigned flags) __asm__("__real_io_uring_register_buf_ring");
int wrapped_register_buffers(io_uring* of, io_uring_buf_reg* what,
                             unsigned flags) __asm__("__wrap_io_uring_register_buf_ring");
void* mmap_for_real(void* at, std::size_t size, int prot, int flags, int fd, off_t offset) __asm__("__real_mmap");
void* wrapped_mmap(void* at, std::size_t size, int prot, int flags, int fd, off_t offset) __asm__("__wrap_mmap");
int munmap_for_real(void* at, std::size_t size) __asm__("__real_munmap");
int wrapped_munmap(void* at, std::size_t size) __asm__("__wrap_munmap");
}

namespace support {
namespace {

constexpr std::size_t large = 16 * 1024 * 1024;
constexpr auto kinds = static_cast<std::size_t>(ring_fault::count);

std::atomic<std::size_t> large_maps = 0;

/// The number of mappings for buffers until they fail; -1 if they do not fail.
std::atomic<int> maps_left = -1;

/// Returns whether a mapping for buffers fails now.
bool takes_map_failure() {
    int left = maps_left.load();
    while (left > 0 && !maps_left.compare_exchange_weak(left, left - 1)) {
    }
    return left == 0;
}

std::atomic<unsigned> enters_left_to_reject = 0;
std::atomic<int> error_of_rejection = EAGAIN;

/// Returns true if rejections of reject_next_enters() are left, and uses up one of them.
bool takes_rejection() {
    unsigned left = enters_left_to_reject.load();
    while (left != 0 && !enters_left_to_reject.compare_exchange_weak(left, left - 1)) {
    }
    return left != 0;
}

/// A ring and its faults. Once the ring is enabled, only its owner's thread uses it.
class faulty_ring {
public:
    faulty_ring(io_uring& native, const fault_chances& chances, std::uint64_t seed)
        : native_(native), chances_(chances), random_(seed) {}

    int enter(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t* argument, std::size_t size);

    void know_buffers(const io_uring_buf_reg& what) {
        buffers_ = reinterpret_cast<const io_uring_buf_ring*>(what.ring_addr);
        is_kernels_.assign(what.ring_entries, false);
    }

    io_uring& native_;
    pthread_t owner_{};
    bool has_owner_ = false;
    std::array<std::atomic<std::uint64_t>, kinds> happened_{};
    std::atomic<std::uint64_t> overflows_ = 0;
    std::atomic<std::uint64_t> full_ = 0;
    std::atomic<std::uint64_t> mistakes_ = 0;
    std::atomic<std::uint64_t> used_ = 0;

private:
    [[nodiscard]] bool draw(ring_fault what) {
        if (std::uniform_int_distribution<unsigned>(0, 999)(random_) >= chances_.of(what)) return false;
        happened_[static_cast<std::size_t>(what)].fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    [[nodiscard]] int pick(std::initializer_list<int> errors) {
        return errors.begin()[std::uniform_int_distribution<std::size_t>(0, errors.size() - 1)(random_)];
    }
    [[nodiscard]] unsigned below(unsigned most) {
        return std::uniform_int_distribution<unsigned>(0, most - 1)(random_);
    }
    [[nodiscard]] io_uring_sqe& entry_at(unsigned position) const {
        return native_.sq.sqes[native_.sq.array[position & native_.sq.ring_mask]];
    }
    [[nodiscard]] io_uring_cqe& completion(unsigned position) const {
        return native_.cq.cqes[position & native_.cq.ring_mask];
    }
    [[nodiscard]] bool has_overflown() const {
        return (__atomic_load_n(native_.sq.kflags, __ATOMIC_ACQUIRE) & IORING_SQ_CQ_OVERFLOW) != 0;
    }
    int enter_and_spoil(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t* argument,
                        std::size_t size);
    void see_returned_buffers();
    void see_used_buffers();
    void change_entries(unsigned to_submit);
    void change_completions();
    void end(io_uring_cqe& said, int opcode);
    [[nodiscard]] bool cancel(std::uint64_t user_data);

    const fault_chances chances_;
    std::mt19937_64 random_;
    unsigned seen_entries_ = 0;      // entries before this position were processed
    unsigned seen_completions_ = 0;  // likewise for completions
    unsigned seen_uses_ = 0;         // likewise for the buffers of completions
    const io_uring_buf_ring* buffers_ = nullptr;
    std::uint16_t seen_buffers_ = 0;  // likewise for returned buffers
    std::vector<bool> is_kernels_;
    std::unordered_map<std::uint64_t, int> multishot_;     // operations in flight: user_data, opcode
    std::unordered_map<std::uint64_t, int> forced_sends_;  // result that the send's completion must report
    std::unordered_map<std::uint64_t, int> forced_ends_;   // result that an operation cancelled here must report
};

int faulty_ring::enter(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t* argument,
                       std::size_t size) {
    if (to_submit == native_.sq.ring_entries) full_.fetch_add(1, std::memory_order_relaxed);
    if (to_submit != 0 && takes_rejection()) return -error_of_rejection.load();
    if (to_submit != 0 && draw(ring_fault::nothing_taken)) return -pick({EAGAIN, ENOMEM});
    if (draw(ring_fault::busy)) return -EBUSY;
    see_returned_buffers();
    int done = 0;
    if (to_submit > 1 && draw(ring_fault::some_taken)) {
        // If the kernel cannot allocate memory for a request, io_submit_sqes() takes only the entries before it.
        to_submit = 1 + below(to_submit - 1);
        change_entries(to_submit);
        done = enter_and_spoil(fd, to_submit, 0, flags & IORING_ENTER_REGISTERED_RING, nullptr, _NSIG / 8);
    } else if (wanted != 0 && draw(ring_fault::interrupted)) {
        change_entries(to_submit);
        done =
            enter_and_spoil(fd, to_submit, 0, flags & ~static_cast<unsigned>(IORING_ENTER_EXT_ARG), nullptr, _NSIG / 8);
        if (done == 0) done = -EINTR;
    } else {
        change_entries(to_submit);
        done = enter_and_spoil(fd, to_submit, wanted, flags, argument, size);
    }
    see_used_buffers();
    change_completions();
    see_used_buffers();
    if (has_overflown()) overflows_.fetch_add(1, std::memory_order_relaxed);
    return done;
}

/// Calls the kernel, and overwrites the entries that it has taken with junk. The kernel has copied them, so their
/// contents must not matter. Keeps user_data, so that an entry that the library does not fill in completely names the
/// previous operation.
int faulty_ring::enter_and_spoil(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t* argument,
                                 std::size_t size) {
    const unsigned before = __atomic_load_n(native_.sq.khead, __ATOMIC_ACQUIRE);
    const int done = enter_for_real(fd, to_submit, wanted, flags, argument, size);
    const unsigned after = __atomic_load_n(native_.sq.khead, __ATOMIC_ACQUIRE);
    for (unsigned position = before; position != after; ++position) {
        io_uring_sqe& entry = entry_at(position);
        const std::uint64_t user_data = entry.user_data;
        std::memset(&entry, 0xa5, sizeof entry);
        entry.user_data = user_data;
    }
    return done;
}

void faulty_ring::see_returned_buffers() {
    if (buffers_ == nullptr) return;
    const auto tail = __atomic_load_n(&buffers_->tail, __ATOMIC_ACQUIRE);
    for (; seen_buffers_ != tail; ++seen_buffers_) {
        const unsigned id = buffers_->bufs[seen_buffers_ & (is_kernels_.size() - 1)].bid;
        if (is_kernels_.at(id)) mistakes_.fetch_add(1, std::memory_order_relaxed);
        is_kernels_[id] = true;
    }
}

void faulty_ring::see_used_buffers() {
    const unsigned tail = __atomic_load_n(native_.cq.ktail, __ATOMIC_ACQUIRE);
    for (; seen_uses_ != tail; ++seen_uses_) {
        const io_uring_cqe& said = completion(seen_uses_);
        if ((said.flags & IORING_CQE_F_BUFFER) == 0) continue;
        const unsigned id = said.flags >> IORING_CQE_BUFFER_SHIFT;
        used_.fetch_add(1, std::memory_order_relaxed);
        if (!is_kernels_.at(id)) mistakes_.fetch_add(1, std::memory_order_relaxed);
        is_kernels_[id] = false;
    }
}

/// Changes the entries that the kernel is about to take.
void faulty_ring::change_entries(unsigned to_submit) {
    const unsigned head = __atomic_load_n(native_.sq.khead, __ATOMIC_ACQUIRE);
    if (static_cast<int>(head - seen_entries_) > 0) seen_entries_ = head;
    for (; static_cast<int>(head + to_submit - seen_entries_) > 0; ++seen_entries_) {
        io_uring_sqe& entry = entry_at(seen_entries_);
        if (entry.opcode == IORING_OP_RECV || entry.opcode == IORING_OP_POLL_ADD) {
            multishot_[entry.user_data] = entry.opcode;
        } else if (entry.opcode == IORING_OP_SEND && entry.len > 1 && draw(ring_fault::short_send)) {
            entry.len = 1 + below(entry.len - 1);
            entry.flags &= static_cast<std::uint8_t>(~IOSQE_CQE_SKIP_SUCCESS);
        } else if (entry.opcode == IORING_OP_SEND && draw(ring_fault::refused_send)) {
            forced_sends_[entry.user_data] = -pick({EAGAIN, ENOBUFS, ENOMEM, EINTR, ECANCELED});
            const std::uint64_t user_data = entry.user_data;
            entry = {};  // a no-op, which produces a completion
            entry.user_data = user_data;
        }
    }
}

/// Changes the completions that the last call has added to the queue. The library has not seen them yet.
void faulty_ring::change_completions() {
    for (;; ++seen_completions_) {
        // Load the tail each time: ending an operation adds completions.
        const unsigned tail = __atomic_load_n(native_.cq.ktail, __ATOMIC_ACQUIRE);
        if (seen_completions_ == tail) return;
        io_uring_cqe& said = completion(seen_completions_);
        if (const auto forced = forced_sends_.find(said.user_data); forced != forced_sends_.end()) {
            said.res = forced->second;
            forced_sends_.erase(forced);
            continue;
        }
        const auto found = multishot_.find(said.user_data);
        if (found == multishot_.end()) continue;
        if ((said.flags & IORING_CQE_F_MORE) == 0) {
            multishot_.erase(found);
            const auto forced = forced_ends_.find(said.user_data);
            if (forced == forced_ends_.end()) continue;
            if (said.res == -ECANCELED) said.res = forced->second;
            forced_ends_.erase(forced);
        } else if (!forced_ends_.contains(said.user_data)) {
            end(said, found->second);
        }
    }
}

/// Ends the multishot operation of the completion `said`, with the probabilities of the fault_chances.
void faulty_ring::end(io_uring_cqe& said, int opcode) {
    const std::uint64_t user_data = said.user_data;
    if (opcode == IORING_OP_POLL_ADD) {
        if (draw(ring_fault::ended_poll) && cancel(user_data)) forced_ends_[user_data] = -ECANCELED;
    } else if (draw(ring_fault::ended_receive)) {
        if (cancel(user_data)) forced_ends_[user_data] = -pick({ECANCELED, ENOBUFS, ENOMEM, EAGAIN, EINTR});
    } else if (draw(ring_fault::ended_with_bytes) && cancel(user_data)) {
        // Fetch the final completion (ECANCELED) and clear it. Instead, mark the last completion with bytes as the
        // final one. If the queue has no space for the final completion now, it arrives later as a separate completion.
        forced_ends_[user_data] = -ECANCELED;
        const unsigned flags = (native_.int_flags & 1) != 0 ? IORING_ENTER_REGISTERED_RING : 0;
        static_cast<void>(enter_for_real(static_cast<unsigned>(native_.enter_ring_fd), 0, 0,
                                         flags | IORING_ENTER_GETEVENTS, nullptr, _NSIG / 8));
        const unsigned tail = __atomic_load_n(native_.cq.ktail, __ATOMIC_ACQUIRE);
        io_uring_cqe* last_bytes = &said;
        for (unsigned position = seen_completions_ + 1; position != tail; ++position) {
            io_uring_cqe& each = completion(position);
            if (each.user_data != user_data) continue;
            if ((each.flags & IORING_CQE_F_MORE) != 0) {
                last_bytes = &each;
            } else if (each.res == -ECANCELED) {
                last_bytes->flags &= ~IORING_CQE_F_MORE;
                each = {};  // cleared, because its place in the queue remains
                forced_ends_.erase(user_data);
                multishot_.erase(user_data);
                return;
            }
        }
    }
}

bool faulty_ring::cancel(std::uint64_t user_data) {
    io_uring_sync_cancel_reg what{};
    what.addr = user_data;
    what.timeout = {-1, -1};
    return ::io_uring_register_sync_cancel(&native_, &what) == 0;
}

/// All rings of this process while a ring_faults object exists.
class all_rings {
public:
    void begin(std::uint64_t seed, const fault_chances& chances, unsigned submissions, unsigned completions) {
        const std::lock_guard guard(lock_);
        if (is_on_) throw std::logic_error("ring_faults: one at a time");
        is_on_ = true;
        made_ = 0;
        seed_ = seed;
        chances_ = chances;
        submissions_ = submissions;
        completions_ = completions;
        for (auto& each : happened_) each = 0;
        overflows_ = full_ = mistakes_ = used_ = 0;
        error_of_rings_ = error_of_buffers_ = error_of_maps_ = 0;
        setup_flags_ = hidden_features_ = 0;
    }
    void end() {
        const std::lock_guard guard(lock_);
        is_on_ = false;
        rings_.clear();
    }

    /// Sets up a ring with the chosen sizes. A ring with a single entry is the driver's probe, and has no faults.
    int set_up(unsigned entries, io_uring_params& params) {
        const std::lock_guard guard(lock_);
        if (entries == 1) return setup_for_real(entries, &params);
        if (is_on_ && error_of_rings_ != 0 && made_ >= rings_before_error_) return -error_of_rings_;
        if (is_on_ && submissions_ != 0) entries = submissions_;
        if (is_on_ && completions_ != 0) params.cq_entries = completions_;
        return setup_for_real(entries, &params);
    }
    int map(int fd, io_uring_params& params, io_uring& made) {
        const std::lock_guard guard(lock_);
        if (is_on_ && error_of_maps_ != 0) return -error_of_maps_;
        const int error = map_for_real(fd, &params, &made);
        if (!is_on_ || error != 0) return error;
        params.features &= ~hidden_features_;
        setup_flags_ |= params.flags;
        rings_.push_back(std::make_unique<faulty_ring>(made, chances_, seed_ + made_++));
        return error;
    }
    int make_buffers(io_uring& of, io_uring_buf_reg& what, unsigned flags) {
        const std::lock_guard guard(lock_);
        if (is_on_ && error_of_buffers_ != 0) return -error_of_buffers_;
        const int error = register_buffers_for_real(&of, &what, flags);
        for (const auto& each : rings_) {
            if (&each->native_ == &of && error == 0) each->know_buffers(what);
        }
        return error;
    }
    void fail_to_make(int error, std::size_t after) {
        const std::lock_guard guard(lock_);
        error_of_rings_ = error;
        rings_before_error_ = after;
    }
    void fail_to_make_buffers(int error) {
        const std::lock_guard guard(lock_);
        error_of_buffers_ = error;
    }
    void fail_to_map(int error) {
        const std::lock_guard guard(lock_);
        error_of_maps_ = error;
    }
    void hide_features(unsigned flags) {
        const std::lock_guard guard(lock_);
        hidden_features_ = flags;
    }
    void forget(const io_uring& gone) {
        const std::lock_guard guard(lock_);
        const auto found = std::ranges::find(rings_, &gone, [](const auto& each) { return &each->native_; });
        if (found == rings_.end()) return;
        for (std::size_t i = 0; i < kinds; ++i) happened_[i] += (*found)->happened_[i].load();
        overflows_ += (*found)->overflows_.load();
        full_ += (*found)->full_.load();
        mistakes_ += (*found)->mistakes_.load();
        used_ += (*found)->used_.load();
        rings_.erase(found);
    }
    void enabled(const io_uring& ring) {
        const std::lock_guard guard(lock_);
        for (const auto& each : rings_) {
            if (&each->native_ != &ring) continue;
            each->owner_ = ::pthread_self();
            each->has_owner_ = true;
        }
    }
    /// Returns the ring with this descriptor, or with this index among the thread's registered rings. Returns null if
    /// the ring has no faults.
    faulty_ring* find(unsigned fd, bool is_registered) {
        const std::lock_guard guard(lock_);
        for (const auto& each : rings_) {
            if (!each->has_owner_ || ::pthread_equal(each->owner_, ::pthread_self()) == 0) continue;
            const bool same_kind = ((each->native_.int_flags & 1) != 0) == is_registered;
            if (same_kind && static_cast<unsigned>(each->native_.enter_ring_fd) == fd) return each.get();
        }
        return nullptr;
    }

    template <class Fn>
    std::uint64_t sum(std::uint64_t of_gone, Fn of_ring) {
        for (const auto& each : rings_) of_gone += of_ring(*each);
        return of_gone;
    }
    std::uint64_t happened(ring_fault what) {
        const std::lock_guard guard(lock_);
        const auto i = static_cast<std::size_t>(what);
        return sum(happened_[i], [i](const faulty_ring& ring) { return ring.happened_[i].load(); });
    }
    std::uint64_t overflows() {
        const std::lock_guard guard(lock_);
        return sum(overflows_, [](const faulty_ring& ring) { return ring.overflows_.load(); });
    }
    std::uint64_t full() {
        const std::lock_guard guard(lock_);
        return sum(full_, [](const faulty_ring& ring) { return ring.full_.load(); });
    }
    std::uint64_t mistakes() {
        const std::lock_guard guard(lock_);
        return sum(mistakes_, [](const faulty_ring& ring) { return ring.mistakes_.load(); });
    }
    std::uint64_t used() {
        const std::lock_guard guard(lock_);
        return sum(used_, [](const faulty_ring& ring) { return ring.used_.load(); });
    }
    unsigned setup_flags() {
        const std::lock_guard guard(lock_);
        return setup_flags_;
    }
    std::size_t made() {
        const std::lock_guard guard(lock_);
        return made_;
    }
    std::size_t alive() {
        const std::lock_guard guard(lock_);
        return rings_.size();
    }

private:
    std::mutex lock_;
    bool is_on_ = false;
    std::size_t made_ = 0;
    std::uint64_t seed_ = 0;
    fault_chances chances_;
    unsigned submissions_ = 0;
    unsigned completions_ = 0;
    std::vector<std::unique_ptr<faulty_ring>> rings_;
    std::array<std::uint64_t, kinds> happened_{};  // of rings that no longer exist; likewise the next four
    std::uint64_t overflows_ = 0;
    std::uint64_t full_ = 0;
    std::uint64_t mistakes_ = 0;
    std::uint64_t used_ = 0;
    int error_of_rings_ = 0;
    int error_of_buffers_ = 0;
    int error_of_maps_ = 0;
    std::size_t rings_before_error_ = 0;
    unsigned setup_flags_ = 0;
    unsigned hidden_features_ = 0;
};

all_rings& rings() {
    static all_rings all;
    return all;
}

}  // namespace

ring_faults::ring_faults(std::uint64_t seed, const fault_chances& chances, unsigned submissions, unsigned completions) {
    rings().begin(seed, chances, submissions, completions);
}
ring_faults::~ring_faults() {
    enters_left_to_reject = 0;
    maps_left = -1;
    rings().end();
}

// NOLINTBEGIN(readability-convert-member-functions-to-static): they belong to the existing object
void ring_faults::fail_to_make(int error, std::size_t after) { rings().fail_to_make(error, after); }
void ring_faults::fail_to_make_buffers(int error) { rings().fail_to_make_buffers(error); }
void ring_faults::fail_to_map(int error) { rings().fail_to_map(error); }
void ring_faults::fail_to_map_buffers_after(int mappings) { maps_left = mappings; }
void ring_faults::hide_features(unsigned flags) { rings().hide_features(flags); }
void ring_faults::reject_next_enters(unsigned count, int error) {
    error_of_rejection = error;
    enters_left_to_reject = count;
}
unsigned ring_faults::enters_to_reject() const noexcept { return enters_left_to_reject; }
std::uint64_t ring_faults::happened(ring_fault what) const noexcept { return rings().happened(what); }
std::size_t ring_faults::rings_made() const noexcept { return rings().made(); }
std::size_t ring_faults::rings_alive() const noexcept { return rings().alive(); }
std::uint64_t ring_faults::overflows() const noexcept { return rings().overflows(); }
std::uint64_t ring_faults::full_submissions() const noexcept { return rings().full(); }
std::uint64_t ring_faults::buffer_mistakes() const noexcept { return rings().mistakes(); }
std::uint64_t ring_faults::buffers_used() const noexcept { return rings().used(); }
unsigned ring_faults::setup_flags() const noexcept { return rings().setup_flags(); }
// NOLINTEND(readability-convert-member-functions-to-static)

std::size_t mapped_buffers() noexcept { return large_maps.load(); }

}  // namespace support

int wrapped_enter(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t* argument,
                  std::size_t size) {
    auto* const ring = support::rings().find(fd, (flags & IORING_ENTER_REGISTERED_RING) != 0);
    if (ring == nullptr) return enter_for_real(fd, to_submit, wanted, flags, argument, size);
    return ring->enter(fd, to_submit, wanted, flags, argument, size);
}

int wrapped_setup(unsigned entries, io_uring_params* params) { return support::rings().set_up(entries, *params); }

int wrapped_map(int fd, io_uring_params* params, io_uring* made) { return support::rings().map(fd, *params, *made); }

void wrapped_exit(io_uring* gone) {
    support::rings().forget(*gone);
    exit_for_real(gone);
}

int wrapped_register_fd(io_uring* enabled) {
    const int registered = register_fd_for_real(enabled);
    support::rings().enabled(*enabled);
    return registered;
}

int wrapped_register_buffers(io_uring* of, io_uring_buf_reg* what, unsigned flags) {
    return support::rings().make_buffers(*of, *what, flags);
}

void* wrapped_mmap(void* at, std::size_t size, int prot, int flags, int fd, off_t offset) {
    if ((flags & MAP_NORESERVE) != 0 && support::takes_map_failure()) {  // only buffers have this flag
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void* const made = mmap_for_real(at, size, prot, flags, fd, offset);
    if (made != MAP_FAILED && size >= support::large) ++support::large_maps;
    return made;
}

int wrapped_munmap(void* at, std::size_t size) {
    if (size >= support::large) --support::large_maps;
    return munmap_for_real(at, size);
}
