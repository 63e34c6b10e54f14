// SPDX-License-Identifier: MIT
#include <eddy/process/child.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/time/timeout.hpp>

#include "running_process.hpp"
#include "sys/processes.hpp"

namespace eddy::process {
namespace {

using process_share = std::shared_ptr<detail::running_process>;

/// Returns how the process has ended, if that is known.
result<std::optional<exit_status>> known_end_of(detail::running_process& process) {
    if (const auto* const status = process.exit().get()) return *status;
    if (auto forked = process.find_fork()) return std::unexpected(*std::move(forked));
    return std::nullopt;
}

/// Waits for the end of a process. Moving it after its first poll terminates the program.
class end_future : public future_ops<end_future> {
public:
    using output_type = const result<exit_status>*;

    explicit end_future(detail::running_process& of) noexcept : set_(of.exit().wait()), id_(of.id()) {}

    poll_result<output_type> poll(context& cx) noexcept { return set_.poll(cx); }

    static constexpr auto wait_shape() {
        return inspect::awaits_member(inspect::wait::child_process, &end_future::id_);
    }

private:
    sync::set_once<result<exit_status>>::wait_future set_;
    int id_;  // for readers of the program's memory
};

task<result<exit_status>> end_of(process_share process) {
    auto known = known_end_of(*process);
    if (!known) co_return std::unexpected(std::move(known).error());
    if (*known) co_return **known;
    const auto* const status = co_await end_future(*process);
    co_return *status;
}

task<result<exit_status>> stop_all(process_share process, std::chrono::nanoseconds grace) {
    // A process that cannot be signaled may never end.
    if (auto sent = process->signal_all(eddy::sys::sigterm); !sent) co_return std::unexpected(std::move(sent).error());
    const auto ended = co_await time::timeout(grace, end_of(process));
    if (!ended || process->has_group()) {
        if (auto sent = process->signal_all(eddy::sys::sigkill); !sent) {
            co_return std::unexpected(std::move(sent).error());
        }
    }
    auto status = co_await end_of(process);
    process->release(true);
    co_return status;
}

}  // namespace

void detail::throw_no_pipe(const pipe_name& name) {
    const std::string function = name.function == nullptr ? "in(), out() or error" : name.function;
    const std::string program = name.program == nullptr ? "" : " of \"" + *name.program + "\"";
    throw misuse("the child object" + program + " has no pipe " + function + "(): its command needs " + function +
                 "(stdio::pipe()), and a pipe that was destroyed by reset() is gone");
}

child::child(process_share process, std::optional<pipe_sender> in, std::optional<pipe_receiver> out,
             std::optional<pipe_receiver> err) noexcept
    : process_(std::move(process)),
      in_(std::move(in), {"in", process_->program()}),
      out_(std::move(out), {"out", process_->program()}),
      error_(std::move(err), {"error", process_->program()}) {}

child::~child() {
    if (!process_) return;
    process_->note_drop();
    process_->release(true);
}

child& child::operator=(child&& other) noexcept {
    child before(std::move(other));  // destroys what this object has had; keeps it if that is `other`
    std::swap(process_, before.process_);
    std::swap(in_, before.in_);
    std::swap(out_, before.out_);
    std::swap(error_, before.error_);
    return *this;
}

detail::running_process& child::running() const {
    if (!process_) throw misuse("the child was moved from or detached: use the object that has the process");
    process_->note_use();
    return *process_;
}

int child::id() const { return running().id(); }

task<result<exit_status>> child::wait() const {
    static_cast<void>(running());
    return end_of(process_);
}

result<std::optional<exit_status>> child::try_wait() const { return known_end_of(running()); }

result<void> child::signal(int number) const { return running().signal(number); }
result<void> child::signal_group(int number) const { return running().signal_group(number); }

result<void> child::kill() const { return running().signal_all(eddy::sys::sigkill); }

task<result<exit_status>> child::stop(std::chrono::nanoseconds grace) {
    static_cast<void>(running());
    return stop_all(process_, grace);
}

void child::detach() && {
    running().release(false);
    const child closed(std::move(*this));
}

}  // namespace eddy::process
