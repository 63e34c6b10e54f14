// SPDX-License-Identifier: MIT
#include <eddy/process/child.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/time/timeout.hpp>

#include "running_process.hpp"
#include "sys/processes.hpp"

namespace eddy::process {
namespace {

using process_share = std::shared_ptr<detail::running_process>;

task<result<exit_status>> end_of(process_share process) {
    const auto* const status = co_await process->exit().wait();
    co_return *status;
}

task<result<exit_status>> stop_all(process_share process, std::chrono::nanoseconds grace) {
    process->signal_all(eddy::sys::sigterm);
    const auto ended = co_await time::timeout(grace, process->exit().wait());
    if (!ended || process->has_group()) process->signal_all(eddy::sys::sigkill);
    const auto* const status = co_await process->exit().wait();
    process->release(true);
    co_return *status;
}

}  // namespace

child::child(process_share process, std::optional<net::pipe::sender> in, std::optional<net::pipe::receiver> out,
             std::optional<net::pipe::receiver> error) noexcept
    : process_(std::move(process)), in_(std::move(in)), out_(std::move(out)), error_(std::move(error)) {}

child::~child() {
    if (process_) process_->release(true);
}

child& child::operator=(child&& other) noexcept {
    const child before(std::move(*this));
    process_ = std::move(other.process_);
    in_ = std::move(other.in_);
    out_ = std::move(other.out_);
    error_ = std::move(other.error_);
    return *this;
}

detail::running_process& child::running(std::source_location where) const {
    if (!process_) throw misuse("the child was moved from or detached: use the object that has the process", where);
    return *process_;
}

int child::id() const { return running().id(); }

task<result<exit_status>> child::wait() const {
    static_cast<void>(running());
    return end_of(process_);
}

result<std::optional<exit_status>> child::try_wait() const {
    const auto* const status = running().exit().get();
    if (status == nullptr) return std::nullopt;
    return *status;
}

result<void> child::signal(int number) const { return running().signal(number); }
result<void> child::signal_group(int number) const { return running().signal_group(number); }

void child::kill() const { running().signal_all(eddy::sys::sigkill); }

task<result<exit_status>> child::stop(std::chrono::nanoseconds grace) {
    static_cast<void>(running());
    return stop_all(process_, grace);
}

void child::detach() && {
    running().release(false);
    const child closed(std::move(*this));
}

}  // namespace eddy::process
