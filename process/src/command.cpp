// SPDX-License-Identifier: MIT
#include <eddy/process/command.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/call_site.hpp>
#include <eddy/process/child.hpp>
#include <eddy/sync/oneshot.hpp>

#include "running_process.hpp"
#include "spawner.hpp"
#include "sys/path_text.hpp"
#include "sys/processes.hpp"

namespace eddy::process {

bool detail::variable_order::operator()(const std::string& a, const std::string& b) const {
    return eddy::sys::variable_precedes(a, b);
}

command& command::arg(std::string value) {
    args_.push_back(std::move(value));
    return *this;
}

command& command::args(std::vector<std::string> values) {
    std::ranges::move(values, std::back_inserter(args_));
    return *this;
}

command& command::arg0(std::string value) {
    arg0_ = std::move(value);
    return *this;
}

command& command::env(std::string name, std::string value) {
    changed_.insert_or_assign(std::move(name), std::move(value));
    return *this;
}

command& command::env_remove(std::string name) {
    changed_.insert_or_assign(std::move(name), std::nullopt);
    return *this;
}

command& command::clear_env() {
    changed_.clear();
    clears_ = true;
    return *this;
}

command& command::directory(const std::filesystem::path& path) {
    directory_ = eddy::sys::text_of(path);
    return *this;
}

command& command::in(stdio what) {
    in_ = std::move(what);
    return *this;
}

command& command::out(stdio what) {
    out_ = std::move(what);
    return *this;
}

command& command::error(stdio what) {
    error_ = std::move(what);
    return *this;
}

command& command::descriptor(int number, stdio what) {
    descriptors_.insert_or_assign(number, std::move(what));
    return *this;
}

command& command::group() {
    has_group_ = true;
    return *this;
}

command& command::session() {
    has_session_ = true;
    return *this;
}

command& command::user(std::string name) {
    rights_.user_name = std::move(name);
    return *this;
}

command& command::user(std::uint32_t id, std::uint32_t group, std::vector<std::uint32_t> other_groups) {
    rights_.user_name.clear();
    rights_.who = detail::process_rights::identity{id, group, std::move(other_groups)};
    return *this;
}

command& command::limit(resource what, std::uint64_t soft, std::optional<std::uint64_t> hard) {
    rights_.limits.push_back({what, soft, hard.value_or(soft)});
    return *this;
}

command& command::priority(int nice) {
    rights_.priority = nice;
    return *this;
}

command& command::no_new_privileges() {
    rights_.gains_none = true;
    return *this;
}

command& command::root(const std::filesystem::path& path) {
    rights_.root = eddy::sys::text_of(path);
    return *this;
}

command& command::signal_on_parent_end(int signal) {
    rights_.signal_of_parent = signal;
    return *this;
}

void command::start_in(std::shared_ptr<const detail::terminal_slave> terminal) noexcept {
    terminal_ = std::move(terminal);
    has_session_ = true;
}

std::vector<std::string> command::argument_list() const {
    std::vector<std::string> all;
    all.reserve(args_.size() + 1);
    all.push_back(arg0_.value_or(program_));
    all.insert(all.end(), args_.begin(), args_.end());
    return all;
}

namespace {

/// Whether a variable is about descriptors or the number of this process, which a child does not have.
bool is_about_this_process(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 9> names = {"LISTEN_FDS",           "LISTEN_FDNAMES",   "LISTEN_PID",
                                                       "LISTEN_PIDFDID",       "EDDY_PREDECESSOR", "EDDY_INHERITED",
                                                       "EDDY_INHERITED_BYTES", "WATCHDOG_USEC",    "WATCHDOG_PID"};
    return std::ranges::find(names, name) != names.end();
}

}  // namespace

std::vector<std::string> command::environment() const {
    std::vector<std::string> all;
    if (!clears_) all = eddy::sys::environment_of_this_process();
    std::erase_if(all, [&](const std::string& each) {
        const auto name = each.substr(0, each.find('='));
        return is_about_this_process(name) || changed_.contains(name);
    });
    for (const auto& [name, value] : changed_) {
        if (value) all.push_back(name + "=" + *value);
    }
    return all;
}

std::optional<process::error> command::find_mistake() const {
    const auto failed = [&](errc code, std::string note) { return process::error(code, program_, std::move(note)); };
    const auto has_nul = [](std::string_view text) { return text.contains('\0'); };
    if (has_nul(program_)) return process::error(errc::nul_character, program_.substr(0, program_.find('\0')));
    if (program_.empty()) return process::error(errc::no_program, "a command without a program");
    if (has_nul(rights_.root)) return failed(errc::nul_character, "the root");
    if (has_nul(rights_.user_name)) return failed(errc::nul_character, "the user");
    if (has_nul(directory_)) return failed(errc::nul_character, "the directory");
    if (arg0_ && has_nul(*arg0_)) return failed(errc::nul_character, "argument 0");
    const auto bad = std::ranges::find_if(args_, has_nul);
    if (bad != args_.end()) {
        return failed(errc::nul_character, "argument " + std::to_string(bad - args_.begin() + 1));
    }
    for (const auto& [name, value] : changed_) {
        if (has_nul(name) || has_nul(value.value_or(""))) return failed(errc::nul_character, "environment");
        if (name.empty() || name.contains('=')) return failed(errc::bad_variable, "\"" + name + "\"");
    }
    const auto is_as_out = [](const std::optional<stdio>& each) {
        return each && each->what() == stdio::kind::same_as_out;
    };
    if (is_as_out(in_)) return failed(errc::bad_stream, "standard input");
    if (is_as_out(out_)) return failed(errc::bad_stream, "standard output");
    for (const auto& [number, what] : descriptors_) {
        if (number >= 3 && what.what() == stdio::kind::descriptor) continue;
        return failed(errc::bad_descriptor, "descriptor " + std::to_string(number));
    }
    return std::nullopt;
}

namespace {

task<result<child>> start(command what, eddy::detail::call_site where) {
    if (auto mistake = what.find_mistake()) co_return std::unexpected(*std::move(mistake));
    // Here and not on the spawn thread: a program with one thread may change its environment.
    auto environment = what.environment();
    auto [sender, receiver] = sync::oneshot<result<child>>::channel();
    auto failed = detail::start_on_spawn_thread(std::move(what), std::move(environment), std::move(sender));
    if (failed) co_return std::unexpected(*std::move(failed));
    // The spawn thread always sends. A process that was forked meanwhile does not have it: there, this does not end.
    auto started = co_await std::move(receiver);
    if (*started) (*started)->process()->expect_use(where);
    co_return *std::move(started);
}

}  // namespace

task<result<child>> command::spawn(std::source_location where) const {
    return start(*this, eddy::detail::call_site_of(where));
}

}  // namespace eddy::process
