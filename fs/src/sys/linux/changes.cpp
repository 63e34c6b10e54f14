// SPDX-License-Identifier: MIT
#include "sys/changes.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

constexpr std::uint32_t of_itself = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t of_names = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
constexpr std::uint32_t of_contents = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;

/// What to report. What an earlier call has asked for is reported, too: a directory has one watch for all its uses.
constexpr std::uint32_t mask_of(watched what) noexcept {
    switch (what) {
    case watched::names: return IN_MASK_ADD | of_itself | of_names;
    case watched::entries: return IN_MASK_ADD | of_itself | of_names | of_contents | IN_EXCL_UNLINK;
    case watched::file: return IN_MASK_ADD | of_itself | of_contents;
    }
    return 0;
}

/// An event has one of these bits.
constexpr std::array<std::pair<std::uint32_t, change_kind>, 12> kinds = {{
    {IN_CREATE, change_kind::created},
    {IN_MODIFY, change_kind::modified},
    {IN_CLOSE_WRITE, change_kind::closed},
    {IN_ATTRIB, change_kind::metadata},
    {IN_DELETE, change_kind::removed},
    {IN_MOVED_FROM, change_kind::moved_from},
    {IN_MOVED_TO, change_kind::moved_to},
    {IN_DELETE_SELF, change_kind::gone},
    {IN_MOVE_SELF, change_kind::gone},
    {IN_UNMOUNT, change_kind::gone},
    {IN_IGNORED, change_kind::ignored},
    {IN_Q_OVERFLOW, change_kind::overflow},
}};

void append_change(std::vector<change>& to, const inotify_event& event, const char* name) {
    for (const auto& [bit, kind] : kinds) {
        if ((event.mask & bit) == 0) continue;
        // The name is padded with zeros.
        std::string text(name, ::strnlen(name, event.len));
        to.emplace_back(kind, (event.mask & IN_ISDIR) != 0, event.wd, event.cookie, std::move(text));
        return;
    }
}

class inotify_queue final : public change_queue {
public:
    explicit inotify_queue(unique_fd queue) noexcept : queue_(std::move(queue)) {}

    [[nodiscard]] int native_handle() const noexcept override { return queue_.get(); }

    [[nodiscard]] result<int> add_watch(int fd, watched what) override {
        // inotify has no call with a descriptor. This path names the open directory or file, wherever it is now.
        std::array<char, 32> path{};
        std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
        const int watch =
            retry_interrupted([&] { return ::inotify_add_watch(queue_.get(), path.data(), mask_of(what)); });
        if (watch < 0) return std::unexpected(last_error());
        return watch;
    }

    void remove_watch(int watch) noexcept override { ::inotify_rm_watch(queue_.get(), watch); }

    [[nodiscard]] result<taken_changes> take() override {
        alignas(inotify_event) std::array<char, 16 * 1024> buffer;
        const auto count =
            count_or_error(retry_interrupted([&] { return ::read(queue_.get(), buffer.data(), buffer.size()); }));
        if (!count) return std::unexpected(count.error());
        taken_changes taken;
        // A read that leaves room for the longest event has taken all.
        taken.is_all = *count + sizeof(inotify_event) + NAME_MAX + 1 <= buffer.size();
        for (std::size_t at = 0; at < *count;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            append_change(taken.changes, event, buffer.data() + at + sizeof event);
            at += sizeof event + event.len;
        }
        return taken;
    }

    void complete(taken_changes&) override {}

private:
    unique_fd queue_;
};

}  // namespace

result<std::shared_ptr<change_queue>> make_change_queue() {
    auto made = own_or_error(retry_interrupted([] { return ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }));
    if (!made) return std::unexpected(made.error());
    return std::make_shared<inotify_queue>(*std::move(made));
}

}  // namespace eddy::sys
