// SPDX-License-Identifier: MIT
#include <eddy/net/inherited_listeners.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "sys/inherited.hpp"
#include "sys/syscall.hpp"
#include "sys/this_process.hpp"

namespace eddy::net {
namespace {

using sys::first_inherited;

constexpr std::uint64_t most_inherited = 1U << 20;  // more than the system gives a process

/// The errors of descriptors that were not inherited. The code is the descriptor.
class not_inherited final : public std::error_category {
public:
    const char* name() const noexcept override { return "eddy.inherited"; }
    std::string message(int fd) const override {
        return "descriptor " + std::to_string(fd) +
               " of LISTEN_FDS was not inherited: it is closed, or this program has opened it. A program that executes "
               "itself must clear FD_CLOEXEC of its sockets before, or remove LISTEN_FDS";
    }
    std::error_condition default_error_condition(int) const noexcept override { return std::errc::bad_file_descriptor; }
    static const not_inherited& instance() noexcept {
        static const not_inherited only;
        return only;
    }
};

/// Takes the first name off a list with colons.
std::string_view take_name(std::string_view& names) noexcept {
    const std::string_view first = names.substr(0, names.find(':'));
    names.remove_prefix(std::min(first.size() + 1, names.size()));
    return first.empty() ? "unknown" : first;
}

/// Returns whether a predecessor has passed this descriptor, and this process has not taken it.
bool comes_from_predecessor(int fd) { return sys::may_be_inherited(fd) && sys::is_of_predecessor(fd); }

/// Returns the descriptor behind the last one that LISTEN_FDS counts; nullopt if it is no number of descriptors.
std::optional<int> end_of_inherited() noexcept {
    const auto count = sys::number_in_environment("LISTEN_FDS");
    if (!count || *count > most_inherited) return std::nullopt;
    return first_inherited + static_cast<int>(*count);
}

std::vector<std::string> take_names(std::size_t count) {
    std::string_view left = sys::unchecked_environment("LISTEN_FDNAMES");
    std::vector<std::string> names(count);
    for (auto& name : names) name = take_name(left);
    return names;
}

/// Prepares the descriptors from first_inherited on: all of them, or none. Returns the first error.
std::error_code prepare_all(std::size_t count) {
    std::vector<int> flags;  // of those that are prepared
    flags.reserve(count);
    const auto next = [&] { return first_inherited + static_cast<int>(flags.size()); };
    while (flags.size() != count) {
        const auto before = sys::prepare_inherited(next());
        if (before) {
            flags.push_back(*before);
            continue;
        }
        for (; !flags.empty(); flags.pop_back()) sys::restore_inherited(next() - 1, flags.back());
        return before.error();
    }
    return {};
}

/// Returns the descriptor of process::inherited_bytes(), if there is one.
std::optional<int> find_inherited_bytes() {
    const auto bytes = sys::number_in_environment("EDDY_INHERITED_BYTES");
    if (!bytes || *bytes > most_inherited || !sys::is_of_predecessor(static_cast<int>(*bytes))) return std::nullopt;
    return static_cast<int>(*bytes);
}

/// Takes all descriptors, or none: an owner closes its descriptor, so the first one is made when nothing can fail any
/// more, also for a lack of memory.
result<std::vector<inherited_listener>> take_all(int end, bool is_of_predecessor) {
    for (int fd = first_inherited; fd != end; ++fd) {
        if (is_of_predecessor ? !comes_from_predecessor(fd) : !sys::may_be_inherited(fd))
            return std::unexpected(std::error_code(fd, not_inherited::instance()));
    }
    const auto count = static_cast<std::size_t>(end - first_inherited);
    auto names = take_names(count);
    std::vector<inherited_listener> taken;
    taken.reserve(count);
    const auto bytes = is_of_predecessor ? find_inherited_bytes() : std::nullopt;
    if (const auto failed = prepare_all(count)) return std::unexpected(failed);
    // Processes that this one starts must not have these bytes, which may be secret, also if this program never reads
    // them.
    if (bytes) static_cast<void>(sys::prepare_inherited(*bytes));
    for (auto& name : names)
        taken.push_back(inherited_listener(std::move(name), first_inherited + static_cast<int>(taken.size())));
    return taken;
}

result<std::vector<inherited_listener>> take_once() {
    const auto end = end_of_inherited();
    // A successor got its first descriptor, be it a socket or the bytes. The processes that it starts have other ones.
    const bool is_of_predecessor = comes_from_predecessor(first_inherited);
    // The variables are inherited, too. A manager's variables are meant for the process with this number.
    if (!is_of_predecessor && sys::number_in_environment("LISTEN_PID") != sys::process_id())
        return std::vector<inherited_listener>();
    if (!end) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    static std::atomic<bool> was_called{false};
    // relaxed: the flag publishes nothing
    if (was_called.exchange(true, std::memory_order_relaxed)) return std::vector<inherited_listener>();
    const auto try_again = [] { was_called.store(false, std::memory_order_relaxed); };  // relaxed: see above
    try {
        auto taken = take_all(*end, is_of_predecessor);
        if (!taken) try_again();
        return taken;
    } catch (...) {
        try_again();
        throw;
    }
}

}  // namespace

result<std::vector<inherited_listener>> inherited_listeners(listen_variables afterwards) {
    auto taken = take_once();
    if (taken && afterwards == listen_variables::remove) {
        for (const char* name : {"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"})
            sys::remove_from_environment(name);
    }
    return taken;
}

}  // namespace eddy::net
