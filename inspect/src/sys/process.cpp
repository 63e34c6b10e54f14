// SPDX-License-Identifier: MIT
#include "sys/process.hpp"

#include <arpa/inet.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

namespace eddy::inspect {

namespace {

/// The number of pieces that one process_vm_readv(2) copies: IOV_MAX.
constexpr std::size_t most_pieces = 1024;

class process_memory final : public target_memory {
public:
    explicit process_memory(pid_t id) noexcept : id_(id) {}

    void read(std::span<piece> pieces) override {
        while (!pieces.empty()) {
            const std::span<piece> batch = pieces.first(std::min(pieces.size(), most_pieces));
            pieces = pieces.subspan(read_some(batch));
        }
    }

    /// Returns the error of a read of one byte; 0 if it can be read.
    [[nodiscard]] int try_read(address from) const noexcept {
        char byte = 0;
        iovec local{&byte, 1};
        iovec remote{remote_address(from), 1};
        return process_vm_readv(id_, &local, 1, &remote, 1, 0) == 1 ? 0 : errno;
    }

private:
    // SAFETY: an address in the other process, which only the kernel uses.
    static void* remote_address(address from) noexcept {
        return reinterpret_cast<void*>(static_cast<std::uintptr_t>(from));  // NOLINT(performance-no-int-to-ptr)
    }

    /// Reads up to the first piece that cannot be read. Returns the number of pieces that are done.
    [[nodiscard]] std::size_t read_some(std::span<piece> batch) const {
        std::vector<iovec> local(batch.size());
        std::vector<iovec> remote(batch.size());
        for (std::size_t i = 0; i < batch.size(); ++i) {
            local[i] = {batch[i].into.data(), batch[i].into.size()};
            remote[i] = {remote_address(batch[i].from), batch[i].into.size()};
        }
        const ssize_t copied = process_vm_readv(id_, local.data(), batch.size(), remote.data(), batch.size(), 0);
        std::size_t left = copied < 0 ? 0 : static_cast<std::size_t>(copied);
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (left < batch[i].into.size()) return i + 1;  // this one does not exist, or only its begin does
            batch[i].is_read = true;
            left -= batch[i].into.size();
        }
        return batch.size();
    }

    const pid_t id_;
};

std::string path_of(pid_t id, std::string_view file) { return "/proc/" + std::to_string(id) + "/" + std::string(file); }

std::vector<mapping> read_mappings(pid_t id) {
    std::vector<mapping> found;
    std::ifstream maps(path_of(id, "maps"));
    for (std::string line; std::getline(maps, line);) {
        mapping one{};
        char rights[5] = {};
        int path_at = 0;
        unsigned long long begin = 0, end = 0;
        if (std::sscanf(line.c_str(), "%llx-%llx %4s %*s %*s %*s %n", &begin, &end, rights, &path_at) < 3) continue;
        one = {begin, end, rights[2] == 'x', false, {}};
        if (path_at != 0 && line[path_at] == '/') one.file = line.substr(path_at);
        if (rights[0] == 'r') found.push_back(std::move(one));
    }
    // A file of which some range is code is the program or a shared library.
    for (mapping& one : found)
        one.is_of_module = !one.file.empty() && std::ranges::any_of(found, [&](const mapping& other) {
            return other.is_code && other.file == one.file;
        });
    return found;
}

/// What /proc/PID/stat says.
struct process_status {
    char state = '?';
    unsigned flags = 0;
    unsigned long long start = 0;  // two processes of one number have different ones
};

std::optional<process_status> read_status(pid_t id) {
    std::ifstream file(path_of(id, "stat"));
    std::string text;
    if (!std::getline(file, text, '\0')) return std::nullopt;
    // The name in parentheses may contain anything.
    const auto name_end = text.rfind(')');
    process_status found;
    if (name_end == std::string::npos ||
        std::sscanf(text.c_str() + name_end + 1,
                    " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &found.state,
                    &found.flags, &found.start) != 3)
        return std::nullopt;
    return found;
}

std::string why_without_memory(pid_t id) {
    constexpr unsigned kernel_thread = 0x00200000;  // PF_KTHREAD of the kernel
    const std::string who = "process " + std::to_string(id);
    const auto status = read_status(id);
    if (!status) return "there is no " + who;
    if ((status->flags & kernel_thread) != 0) return who + " is a thread of the kernel";
    if (status->state == 'Z') return who + " has ended, and its parent has not noticed yet: its memory is gone";
    return {};
}

/// Parses an address and a port of /proc/net/tcp and similar files: hexadecimal words of the machine's byte order.
std::string endpoint(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return {};
    const std::string_view host = text.substr(0, colon);
    std::array<std::uint32_t, 4> words{};
    const std::size_t count = host.size() / 8;
    if (count != 1 && count != 4) return {};
    for (std::size_t i = 0; i < count; ++i) std::from_chars(host.data() + 8 * i, host.data() + 8 * i + 8, words[i], 16);
    unsigned port = 0;
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port, 16);
    char name[INET6_ADDRSTRLEN] = {};
    inet_ntop(count == 1 ? AF_INET : AF_INET6, words.data(), name, sizeof name);
    const std::string number = std::to_string(port);
    return count == 1 ? name + (":" + number) : "[" + std::string(name) + "]:" + number;
}

/// Returns what the sockets of a process's network are connected to, by inode, sorted.
std::vector<std::pair<std::uint64_t, std::string>> read_sockets(pid_t id) {
    std::vector<std::pair<std::uint64_t, std::string>> found;
    for (const std::string kind : {"tcp", "tcp6", "udp", "udp6"}) {
        std::ifstream table(path_of(id, "net/" + kind));
        std::string line;
        std::getline(table, line);
        while (std::getline(table, line)) {
            std::istringstream fields(line);
            std::string number, local, remote, skipped;
            std::uint64_t inode = 0;
            fields >> number >> local >> remote;
            for (int i = 0; i < 6; ++i) fields >> skipped;
            fields >> inode;
            std::string text = kind.substr(0, 3) + " " + endpoint(local);
            if (const std::string peer = endpoint(remote); !peer.ends_with(":0")) text += " -> " + peer;
            found.emplace_back(inode, std::move(text));
        }
    }
    std::ranges::sort(found);
    return found;
}

}  // namespace

std::string why_not_readable(pid_t id, int error, const char* scope_file) {
    const std::string who = "process " + std::to_string(id);
    if (error == ESRCH) return "there is no " + who;
    if (error == EPERM) {
        std::ifstream scope(scope_file);
        int value = 0;
        scope >> value;
        const std::string failure = "the memory of " + who + " may not be read: ";
        if (value == 3)  // see ptrace(2)
            return failure +
                   "kernel.yama.ptrace_scope is 3, which forbids it to all programs until the next boot, so read a "
                   "core file, or start the program with EDDY_DUMP=SIGQUIT and send it this signal";
        std::string text = failure + "run this as the same user, or as root";
        if (value != 0)
            text += "; and kernel.yama.ptrace_scope is " + std::to_string(value) +
                    ", so run `sysctl kernel.yama.ptrace_scope=0` as root, or use sudo";
        return text + "; in a container, add the capability SYS_PTRACE";
    }
    if (error == ENOSYS) return "this kernel has no process_vm_readv(2)";
    return "the memory of " + who + " cannot be read: " + std::strerror(error);
}

std::expected<process, std::string> process::open(pid_t id) {
    const auto status = read_status(id);
    std::vector<mapping> mappings = read_mappings(id);
    if (mappings.empty()) {
        if (std::string why = why_without_memory(id); !why.empty()) return std::unexpected(std::move(why));
        const int error = process_memory(id).try_read(0);
        return std::unexpected(why_not_readable(id, error));
    }
    const int error = process_memory(id).try_read(mappings.front().begin);
    if (error != 0 && error != EFAULT) return std::unexpected(why_not_readable(id, error));
    return process(id, status ? status->start : 0, std::move(mappings));
}

process::process(pid_t id, std::uint64_t start, std::vector<mapping> mappings)
    : id_(id), start_(start), memory_(std::make_unique<process_memory>(id)), mappings_(std::move(mappings)) {}

std::optional<std::string> process::why_incomplete() const {
    const auto status = read_status(id_);
    // A process that ends becomes a zombie first, and later another process may get its number.
    if (status && status->state != 'Z' && status->state != 'X' && status->start == start_) return std::nullopt;
    return "process " + std::to_string(id_) + " ended while it was read";
}

std::string process::describe(int fd) {
    char target[4096] = {};
    const ssize_t size = readlink(path_of(id_, "fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1);
    if (size <= 0) return {};
    const std::string_view link(target, static_cast<std::size_t>(size));
    if (!link.starts_with("socket:[")) return std::string(link);
    if (!std::exchange(has_sockets_, true)) sockets_ = read_sockets(id_);
    std::uint64_t inode = 0;
    std::from_chars(link.data() + 8, link.data() + link.size(), inode);
    const auto found = std::ranges::lower_bound(sockets_, inode, {}, &std::pair<std::uint64_t, std::string>::first);
    return found != sockets_.end() && found->first == inode ? found->second : "a socket";
}

}  // namespace eddy::inspect
