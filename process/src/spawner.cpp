// SPDX-License-Identifier: MIT
#include "spawner.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/process/pipe_ends.hpp>

#include "own_thread.hpp"
#include "reaper.hpp"
#include "running_process.hpp"
#include "sys/pipe_ends.hpp"
#include "sys/processes.hpp"
#include "sys/rights.hpp"
#include "sys/terminals.hpp"
#include "sys/this_process.hpp"

namespace eddy::process::detail {
namespace {

using eddy::sys::start_request;
using eddy::sys::unique_fd;

constexpr std::array names{"standard input", "standard output", "standard error"};

/// The descriptors of a process that starts: those that are only needed for the start, and this program's ends of
/// pipes.
class standard_streams {
public:
    /// Fills `into.standard`.
    std::optional<error> open(const command& of, start_request& into) {
        const std::array all{of.in(), of.out(), of.error()};
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (!all[i] && of.terminal() != nullptr) {
                into.standard[i] = of.terminal()->fd.get();
                continue;
            }
            const auto opened = open_one(all[i].value_or(stdio::inherit()), i);
            if (!opened) return error(opened.error(), of.program(), names[i]);
            into.standard[i] = *opened;
        }
        return open_further(of, into);
    }

    /// This program's ends of the pipes.
    std::optional<pipe_sender> in;
    std::optional<pipe_receiver> out;
    std::optional<pipe_receiver> err;

private:
    eddy::result<int> open_one(const stdio& what, std::size_t index) {
        switch (what.what()) {
        case stdio::kind::inherit: return start_request::inherited;
        case stdio::kind::null: return start_request::null_device;
        case stdio::kind::same_as_out: return start_request::same_as_out;
        case stdio::kind::descriptor: return use(what, theirs_[index]);
        case stdio::kind::pipe: break;
        }
        if (index == 0) return keep(eddy::sys::make_input_pipe(), in, theirs_[index]);
        return keep(eddy::sys::make_output_pipe(), index == 1 ? out : err, theirs_[index]);
    }
    template <class End>
    static eddy::result<int> keep(eddy::result<eddy::sys::pipe_to_process<End>> made, std::optional<End>& ours,
                                  unique_fd& theirs) {
        if (!made) return std::unexpected(made.error());
        ours = std::move(made->ours);
        theirs = std::move(made->theirs);
        return theirs.get();
    }
    /// The order of dup2(2) would matter if one of them had a number that the process will use.
    std::optional<error> open_further(const command& of, start_request& into) {
        const auto& all = of.descriptors();
        for (const auto& [number, what] : all) {
            auto copy = what.failed() ? eddy::result<unique_fd>(std::unexpect, what.failed())
                                      : eddy::sys::duplicate_from(what.fd(), all.rbegin()->first + 1);
            if (!copy) return error(copy.error(), of.program(), "descriptor " + std::to_string(number));
            into.further.emplace_back(number, copy->get());
            further_.push_back(*std::move(copy));
        }
        return std::nullopt;
    }
    /// A descriptor of the command. A number below 3 is duplicated: the order of dup2(2) would matter.
    static eddy::result<int> use(const stdio& what, unique_fd& copy) {
        if (what.failed()) return std::unexpected(what.failed());
        if (what.fd() >= 3) return what.fd();
        auto made = eddy::sys::duplicate_from(what.fd(), 3);
        if (!made) return std::unexpected(made.error());
        copy = std::move(*made);
        return copy.get();
    }

    std::array<unique_fd, 3> theirs_;
    std::vector<unique_fd> further_;
};

std::string note_about(const command& what, const start_request& request, std::error_code code) {
    if (request.failed_step != nullptr) return request.failed_step;
    if (!request.bad_interpreter.empty()) return "interpreter " + request.bad_interpreter;
    if (code == std::errc::no_such_file_or_directory && what.program().contains(' '))
        return "no shell splits the name: pass the arguments one by one";
    return what.directory().empty() ? std::string() : "directory " + what.directory();
}

/// Fills `into.rights`. May wait for the database of users.
std::optional<error> find_rights(const command& of, start_request& into) {
    if (!of.rights().is_changed()) return std::nullopt;
    if (!eddy::sys::has_rights)
        return error(std::make_error_code(std::errc::not_supported), of.program(), "rights of a process");
    into.rights = of.rights();
    if (into.rights.user_name.empty()) return std::nullopt;
    auto found = eddy::sys::find_user(into.rights.user_name);
    if (!found) return error(found.error(), of.program(), "user " + into.rights.user_name);
    into.rights.who = *std::move(found);
    return std::nullopt;
}

/// Kills a process that no thread waits for, and waits for it here. One that cannot be killed is left: it must not stop
/// all other starts.
void end_unwatched(running_process& process) noexcept {
    if (process.signal_all(eddy::sys::sigkill)) {
        eddy::sys::wait_for_end(process.started());
        static_cast<void>(process.collect());
    }
    process.release(false);
}

result<child> start_child(const command& what, std::vector<std::string>&& environment) {
    start_request request;
    const auto fail = [&](std::error_code code) {
        return error(code, what.program(), note_about(what, request, code));
    };
    request.program = what.program();
    request.arguments = what.argument_list();
    request.environment = std::move(environment);
    request.directory = what.directory();
    request.has_group = what.has_group();
    request.has_session = what.has_session();
    if (const auto* const terminal = what.terminal()) {
        request.terminal = terminal->path;
        request.terminal_fd = terminal->fd.get();
    }
    if (auto failed = find_rights(what, request)) return std::unexpected(*std::move(failed));
    standard_streams streams;
    if (auto failed = streams.open(what, request)) return std::unexpected(*std::move(failed));

    const auto process = std::make_shared<running_process>(what.program(), what.has_group());
    auto started = eddy::sys::start_process(request);
    if (!started) return std::unexpected(fail(started.error()));
    process->begin(std::move(*started));
    const bool is_error_piped = streams.err || (streams.out && request.standard[2] == start_request::same_as_out);
    process->set_pipes({streams.in.has_value(), streams.out.has_value(), is_error_piped});
    if (const auto watched = watch_until_end(process); !watched) {
        end_unwatched(*process);
        return std::unexpected(fail(watched.error()));
    }
    return child(process, std::move(streams.in), std::move(streams.out), std::move(streams.err));
}

/// The threads that start processes. One of them has the turn and starts a process; a thread that has had the turn for
/// slow_start, since its file system does not answer, loses it to another one.
class spawner : eddy::detail::immovable {
public:
    static eddy::result<std::unique_ptr<spawner>> make() { return std::make_unique<spawner>(); }

    [[nodiscard]] std::uint32_t process() const noexcept { return process_; }

    eddy::result<void> submit(command what, std::vector<std::string> environment, started_sender to) {
        const std::lock_guard guard(lock_);
        if (const auto started = start_thread_if_needed(); !started && threads_ == 0) return started;
        error no_memory(std::make_error_code(std::errc::not_enough_memory), what.program());
        jobs_.push_back({std::move(what), std::move(environment), std::move(to), std::move(no_memory), {}});
        added_.notify_one();
        return {};
    }

private:
    using clock = std::chrono::steady_clock;
    /// Longer than starts last that do not wait for anything.
    static constexpr auto slow_start = std::chrono::milliseconds(50);
    static constexpr std::size_t most_threads = 32;

    struct job {
        command what;
        std::vector<std::string> environment;
        started_sender to;
        error no_memory;  // made before, since it needs memory
        clock::time_point turn_ends;
    };

    /// Starts a thread for the next job unless there is one: those that start processes may be stuck.
    /// Preconditions: the lock is held.
    eddy::result<void> start_thread_if_needed() noexcept {
        if (threads_ != starting_ || threads_ == most_threads) return {};
        auto started = start_own_thread([this]() noexcept { run(); });
        if (started) ++threads_;
        return started;
    }

    /// Takes the turn and the next job. Returns nullopt if there has been none for a while, and the thread is to end,
    /// unless it `stays`.
    std::optional<job> next(bool has_started_one, bool stays) {
        std::unique_lock guard(lock_);
        if (has_started_one) --starting_;
        for (auto end = clock::now() + idle_time;;) {
            const auto now = clock::now();
            if (jobs_.empty() && now >= end) {
                if (!stays) {
                    --threads_;
                    return std::nullopt;
                }
                end = now + std::chrono::hours(24);
            }
            if (!jobs_.empty() && now >= turn_ends_) break;
            added_.wait_for(guard, (jobs_.empty() ? end : turn_ends_) - now);
        }
        ++starting_;
        std::optional first(std::move(jobs_.front()));
        jobs_.pop_front();
        first->turn_ends = turn_ends_ = clock::now() + slow_start;
        if (!jobs_.empty()) static_cast<void>(start_thread_if_needed());  // else this thread comes back for them
        return first;
    }
    /// Gives the turn back, if no other thread has taken it.
    void end_turn(const job& of) noexcept {
        const std::lock_guard guard(lock_);
        if (turn_ends_ == of.turn_ends) turn_ends_ = clock::time_point::min();
        // A thread that waits for the turn would otherwise wait until the time at which it was to end.
        if (!jobs_.empty()) added_.notify_one();
    }

    /// Destroys the command: its descriptors are closed before the task knows that the process has started.
    static result<child> start(job& now) noexcept try {
        const command what = std::move(now.what);
        eddy::sys::take_affinity_of_main_thread();
        return start_child(what, std::move(now.environment));
    } catch (const std::bad_alloc&) {
        return std::unexpected(now.no_memory);
    }

    void run() noexcept {
        // next() may wait for long. The job before is destroyed first: a command that was not started has descriptors.
        bool stays = false;  // the system sends signals of command::signal_on_parent_end() when this thread ends
        for (bool has_started_one = false; auto now = next(has_started_one, stays); has_started_one = true) {
            stays = stays || now->what.rights().signal_of_parent.has_value();
            if (now->to.is_closed()) {
                end_turn(*now);
                continue;
            }
            auto started = start(*now);
            end_turn(*now);  // before the task is woken, which may last, too
            // A child that is not received is destroyed here.
            static_cast<void>(now->to.send(std::move(started)));
        }
    }

    const std::uint32_t process_ = eddy::sys::process_id();
    eddy::detail::mutex lock_;
    eddy::detail::condition_variable added_;
    // Guarded by lock_:
    std::deque<job> jobs_;
    std::size_t threads_ = 0;
    std::size_t starting_ = 0;  // the threads that have a job
    clock::time_point turn_ends_ = clock::time_point::min();
};

constinit of_this_process<spawner> the_spawner;

}  // namespace

std::optional<error> start_on_spawn_thread(command what, std::vector<std::string> environment, started_sender to) {
    std::string program = what.program();
    const auto found = the_spawner.get();
    if (!found) return error(found.error(), std::move(program));
    const auto submitted = (*found)->submit(std::move(what), std::move(environment), std::move(to));
    if (!submitted) return error(submitted.error(), std::move(program));
    return std::nullopt;
}

}  // namespace eddy::process::detail
